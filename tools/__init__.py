"""Programs for maintainers: set-up, site, pictures of the README, tests under other conditions."""
