"""Tests of `intake.listing`."""
