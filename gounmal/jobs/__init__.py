"""Durable batch jobs, over HTTP and on any number of workers."""
