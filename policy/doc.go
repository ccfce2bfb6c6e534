// Package policy will decide whether a command may pass: facts in, a decision
// with its rule out. It is empty so far: a listener without a policy lets
// through every command that the proxy understands, and nothing else.
package policy
