package faults

import "testing"

func TestRigCarriesFiles(t *testing.T) {
	r := newRig(t)
	r.recovers()
}
