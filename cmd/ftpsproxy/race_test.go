//go:build race

package main

// buildFlags make the program under test look for races if the tests do.
func buildFlags() []string { return []string{"-race"} }
