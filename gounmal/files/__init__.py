"""Files of messages: found, read by rows, written whole."""
