//go:build race

package policy_test

// isRace: under the race detector a sync.Pool loses things on purpose.
const isRace = true
