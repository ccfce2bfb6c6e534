package proxy

import "slices"

// A sessionSeed is an input that says something by itself.
type sessionSeed struct {
	ways             way
	client, upstream []byte
}

// act, as fuzzClient.act reads it.
func seedTagged(verb string) []byte { return []byte{0, byte(slices.Index(tagged(), verb))} }
func seedPlain(verb string) []byte  { return []byte{4, byte(slices.Index(plain(), verb))} }
func seedMove(verb, opening byte, kind int) []byte {
	return []byte{6, verb, opening, byte(kind), 0, 0}
}

func seedBurst(size byte) []byte { return []byte{15, 2, size} }

const (
	seedRETR, seedSTOR         = 0, 1
	seedEPSV, seedPASV, seedEP = 0, 1, 2
)

// opened is what an upstream answers up to the first data connection: greeting,
// USER, PASS, PASV.
func opened(more ...byte) []byte { return append([]byte{0, 0, 0, 0}, more...) }

func join(parts ...[]byte) []byte { return slices.Concat(append([][]byte{{0}}, parts...)...) }

// sessionSeeds are one session for every thing that a side may do in a transfer,
// and for what has been got wrong elsewhere.
func sessionSeeds() []sessionSeed {
	var all []sessionSeed
	for kind := range moveKinds {
		ways := way(0)
		if kind%2 == 1 {
			ways = wayPrivate
		}
		during := join(seedMove(seedRETR, seedEPSV, dataWell), seedTagged("NOOP"), seedTagged("STAT"))
		all = append(all,
			sessionSeed{ways, during, opened(3, byte(kind))},
			sessionSeed{ways ^ wayOrigin, during, opened(0, 0, 3, byte(kind))}, // PBSZ and PROT come first
			sessionSeed{ways ^ wayActive, join(seedMove(seedSTOR, seedPASV, dataWell), seedTagged("NOOP")), opened(byte(kind))},
		)
	}
	for kind := range dataKinds {
		all = append(all,
			sessionSeed{0, join(seedMove(seedSTOR, seedEPSV, kind), seedPlain("PASV")), nil},
			sessionSeed{wayPrivate, join(seedMove(seedRETR, seedEP, kind), seedTagged("NOOP")), nil},
		)
	}
	for choice := range abortions() {
		all = append(all, sessionSeed{0, join(seedMove(seedRETR, seedEPSV, dataStalls), seedPlain("ABOR"), seedPlain("XYZZY"), seedTagged("NOOP")), opened(4, 0, byte(choice))})
	}
	// Upstreams that end a broken transfer with a second 1yz, and what may come then.
	for q := range byte(quirkKinds) {
		for choice := range abortions() {
			mumbled := join(seedMove(seedRETR, seedEPSV, dataStalls), seedBurst(byte(choice)%3), seedTagged("NOOP"), seedPlain("XYZZY"), seedMove(seedSTOR, seedEPSV, dataWell))
			all = append(all, sessionSeed{0, mumbled, []byte{q, 0, 0, 0, 4, moveMumbles, byte(choice)}})
		}
		broken := join(seedMove(seedRETR, seedEPSV, dataBreaks), seedTagged("DELE"), seedMove(seedRETR, seedEPSV, dataWell), seedTagged("REST"), seedTagged("STAT"))
		all = append(all, sessionSeed{0, broken, []byte{q, 0, 0, 0, 4, moveMumbles, 0}})
	}
	// Of three ABORs the first shares its reply with the transfer.
	all = append(all, sessionSeed{0, join(seedMove(seedRETR, seedEPSV, dataStalls), seedPlain("ABOR"), seedPlain("ABOR"), seedPlain("ABOR"), seedPlain("XYZZY"), seedTagged("NOOP")), opened(4, 0, 3)})
	relogin := join(seedPlain("REIN"), seedTagged("NOOP"), seedTagged("USER"), seedTagged("PASS"), seedMove(seedRETR, seedEPSV, dataWell))
	var every [][]byte
	for _, verb := range tagged()[:12] {
		every = append(every, seedTagged(verb))
	}
	all = append(all,
		sessionSeed{0, join(every...), nil},
		sessionSeed{0, relogin, nil},
		sessionSeed{wayPrivate | wayHangUp, relogin, nil},
		sessionSeed{0, join([]byte{4, byte(slices.Index(plain(), "RETR"))}, seedTagged("REST"), seedPlain("STOR")), nil},
		sessionSeed{wayReset, join(seedMove(seedSTOR, seedEPSV, dataStalls)), nil},
		sessionSeed{waySilent, join(seedTagged("NOOP")), nil},
		sessionSeed{0, join(seedMove(seedSTOR, seedEPSV, dataWell), []byte{15, 3}), nil},
		sessionSeed{0, join(seedPlain("QUIT"), seedTagged("NOOP")), nil},
		sessionSeed{0, join(seedPlain("\x00"), seedPlain("A\rB"), seedPlain(""), seedTagged("NOOP"), seedPlain("PASV")), nil},
	)
	for kind := byte(13); kind < 24; kind++ {
		all = append(all, sessionSeed{wayHostile, join(seedTagged("NOOP"), seedMove(seedRETR, seedPASV, dataWell), seedTagged("STAT")), []byte{0, 0, 0, 0, 0, kind, 0, kind, 0, 0, 0, 0}})
	}
	return all
}
