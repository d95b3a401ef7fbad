"""Tests of `gateway.pages`, each on the one running gateway."""
