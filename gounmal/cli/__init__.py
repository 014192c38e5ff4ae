"""The command line: `gounmal serve · moderate · scan · report · worker · evaluate · models · demo`.

Exit codes: 0 it worked; 1 it was interrupted, or a bug (with a traceback); 2 the input, an option
or the installation is at fault, and one line on stderr says how; 3 and 4 see `scan`.
"""

from gounmal.cli import batch, live, models
from gounmal.cli.group import main

__all__ = ["batch", "live", "main", "models"]
