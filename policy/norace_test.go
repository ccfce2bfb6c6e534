//go:build !race

package policy_test

const isRace = false
