"""Everything that gounmal raises on purpose.

```
GounmalError
├── InvalidMessage        a message outside the contract (which field, which limit)
├── InvalidPolicy         policy.yaml says something that is not in its vocabulary
├── InvalidConfiguration  configuration.yaml is not of the form that BentoML reads
├── InvalidInput          a file that cannot be scanned (encoding, columns, format)
│   └── ShardFailed       a part of a scan's input cannot be read; the other parts can
├── ModelNotFound         no such model in the store, or nothing in the store
├── InvalidArtifact       an artifact folder that is incomplete or from another version
├── ScoringFailed         the engine failed, or answered with another count than it was asked
├── JobsUnavailable       the database of jobs does not answer
├── DeadlineExceeded      its deadline passed before its turn came: it was not scored
└── Overloaded            the runner's queue is full: try again later
```

No message text in any of them: an error travels into logs and answers, text must not.
"""


class GounmalError(Exception):
    """The base of everything below: catch it to catch all of them."""


class InvalidMessage(GounmalError):  # noqa: N818  (named by what is wrong, like the rest)
    """A message outside the contract.

    Attributes:
        field: the field at fault, such as `text` or `texts[3]`.
        expected: what was expected of it, and what came.
    """

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected


class InvalidPolicy(GounmalError):  # noqa: N818
    """The policy file cannot be used: the message names the key and what was expected."""


class InvalidConfiguration(GounmalError):  # noqa: N818
    """configuration.yaml cannot be used: the message says what was expected."""


class InvalidInput(GounmalError):  # noqa: N818
    """A file cannot be scanned: the message names the file, what is wrong and the remedy."""


class ShardFailed(InvalidInput):
    """A part of a scan's input cannot be read: the message names the file, the part and why."""


class ModelNotFound(GounmalError):  # noqa: N818
    """The model asked for is not there: the message names the command that gets one."""


class InvalidArtifact(GounmalError):  # noqa: N818
    """An artifact folder is incomplete, damaged or of another format version."""


class ScoringFailed(GounmalError):  # noqa: N818
    """The engine failed on this message, or its outputs do not match its inputs."""


class DeadlineExceeded(GounmalError):  # noqa: N818
    """The message's deadline passed before its turn came, so it was not scored."""


class Overloaded(GounmalError):  # noqa: N818
    """The runner's queue is full.

    Attributes:
        retry_after_s: a fair guess, in seconds, of when to try again.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"queue full: try again in {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


class JobsUnavailable(GounmalError):  # noqa: N818
    """The database of jobs does not answer; nothing of its URL is said."""
