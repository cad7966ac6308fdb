"""Tests of reading beside a writer, and of what a crash leaves behind."""
