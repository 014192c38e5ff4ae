"""What a scan found: added up, summarised, shown."""
