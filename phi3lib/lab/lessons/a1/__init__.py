"""Notebook A1: the class of the cookbook page, retold, and the list of its faults."""
