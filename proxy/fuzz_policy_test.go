package proxy

import (
	"math"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// FuzzPolicedSession is FuzzSession behind a policy, which may be reloaded in the
// middle. What holds there holds here, and besides, as long as the policy denies:
//
//   - the upstream never hears a DELE, however it is spelt, nor RMD, nor SITE EXEC;
//   - it hears no RNTO behind anything but a RNFR that it answered with 350;
//   - it hears of no path that the policy closes, as joined to the directory it
//     reported last, and of no relative one while it has not told where it stands;
//   - it hears no RETR in a type that the policy refuses;
//   - nothing that the proxy asks for itself is answered to the client, or comes
//     between REST and its transfer;
//   - no command is relayed twice, and no limit goes on counting the session.
func FuzzPolicedSession(f *testing.F) {
	for _, s := range policedSeeds() {
		f.Add(s.client, s.upstream, byte(s.ways), s.laws)
	}
	g := newGround(f)
	for kind, text := range laws() {
		g.laws[kind] = compileLaw(f, text)
	}
	f.Fuzz(func(t *testing.T, client, upstream []byte, flags, laws byte) {
		in := setup{way(flags), newReign(laws)}
		p := g.play(t, in, &script{bytes: client}, &script{bytes: upstream})
		p.judge(t)
	})
}

// A law is a policy. Each forbids what those before it forbid.
type law int

const (
	lawNone    law = iota
	lawWatches     // lawDenies in monitor mode
	lawDeletes     // what is named is denied, and nothing depends on paths
	lawDenies      // also what is below /secret
	lawAllows      // all but what is named is denied
	lawKinds
)

// laws are the policies' texts; "": none.
func laws() [lawKinds]string {
	const named = `
	rule "attack" {
		commands = ["SITE EXEC"]
		action   = "disconnect"
	}
	rule "type" {
		commands = ["RETR"]
		when     = transfer.type == "E"
		action   = "deny"
		reply    = "550 Policed."
	}
	limit "fast" {
		sessions            = 9
		commands_per_second = 1000000
	}
`
	const deletes = `
	default = "allow"
	rule "no deletion" {
		commands = ["@delete"]
		action   = "deny"
		reply    = "553 Policed."
	}
` + named
	const denies = deletes + `
	rule "secret" {
		commands = ["@read", "@write", "@list", "@rename"]
		paths    = ["/secret/**"]
		action   = "deny"
	}
`
	return [lawKinds]string{
		lawWatches: `mode = "monitor"` + denies,
		lawDeletes: deletes,
		lawDenies:  denies,
		lawAllows: `default = "deny"` + named + `
	rule "around" {
		commands = ["@login", "@session", "@data", "@navigate", "SITE"]
		action   = "allow"
	}
	rule "work" {
		commands = ["@read", "@write", "@list", "@rename"]
		paths    = ["/pub/**"]
		action   = "allow"
	}
`,
	}
}

func compileLaw(f testing.TB, inside string) *policy.Policy {
	f.Helper()
	if inside == "" {
		return nil
	}
	file, diags := hclsyntax.ParseConfig([]byte("policy \"fuzz\" {\n"+inside+"}\n"), "policy.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	content, diags := file.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "policy", LabelNames: []string{"name"}}}})
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	p, diags := policy.Compile(content.Blocks[0], nil)
	if len(diags) > 0 {
		f.Fatal(diags)
	}
	return p
}

// A reign is which law is in force when.
type reign struct {
	first, second law
	since         int // the number of the first command that is surely under the second
}

func newReign(b byte) *reign {
	return &reign{first: law(b&15) % lawKinds, second: law(b>>4) % lawKinds, since: math.MaxInt}
}

// over is the law that holds for a command in any case; number -1: for any.
func (r *reign) over(number int) law {
	switch {
	case r.since == math.MaxInt:
		return r.first
	case number >= r.since:
		return r.second
	}
	return min(r.first, r.second)
}

// reloaded is the configuration that the client's reload puts into force.
func (g *ground) reloaded(c Config, in setup) Config {
	if in.reign != nil {
		c.Listeners = slices.Clone(c.Listeners)
		c.Listeners[0].Policy = g.laws[in.reign.second]
	}
	return c
}

// A policedSeed is an input that says something by itself.
type policedSeed struct {
	sessionSeed
	laws byte
}

// policedAct is what fuzzClient.actPoliced reads, freeAct what act reads.
func policedAct(b ...byte) []byte    { return append([]byte{1}, b...) }
func freeAct(parts ...[]byte) []byte { return append([]byte{0}, slices.Concat(parts...)...) }

// policedTransfer carries a file to or from the path of that number.
func policedTransfer(path, verb byte) []byte {
	return append(policedAct(actTransfer, path), seedMove(verb, seedEPSV, dataWell)[1:]...)
}

// policedSeeds are sessions in which something is denied, under each law.
func policedSeeds() []policedSeed {
	var all []policedSeed
	add := func(laws byte, ways way, upstream []byte, parts ...[]byte) {
		all = append(all, policedSeed{sessionSeed{ways, join(parts...), upstream}, laws})
	}
	const deletes, denies, allows = byte(lawDeletes), byte(lawDenies), byte(lawAllows)
	var deletions [][]byte
	for i := range deletionSpellings() {
		deletions = append(deletions, policedAct(actDelete, byte(i)))
	}
	deletions = append(deletions, policedAct(actLine, 7)) // RMD
	var everywhere [][]byte
	for i := range transferPaths() {
		everywhere = append(everywhere, policedTransfer(byte(i), byte(i%2)))
	}
	for kind := range lawKinds {
		add(byte(kind), 0, nil, deletions...)
		add(byte(kind), wayPrivate, nil, everywhere...)
		add(byte(kind)|denies<<4, 0, nil, policedAct(actRNFR, 0), policedAct(actReload), policedAct(actRNTO, 0), deletions[0], policedTransfer(2, seedSTOR))
	}
	inSecret := policedAct(actCWD, 0)
	rename := join(policedAct(actRNFR, 4), deletions[0], policedAct(actRNTO, 1), policedAct(actRNTO, 4), freeAct(seedTagged("NOOP")))
	for spell := range byte(pwdKinds) {
		up := []byte{0, 0, 0, 0, 0, spell}
		add(denies, 0, up, inSecret, policedTransfer(0, seedSTOR), policedAct(actLine, 0), policedTransfer(0, seedRETR))
		add(allows, 0, up, policedAct(actCWD, 3), policedTransfer(0, seedSTOR), policedTransfer(4, seedRETR))
	}
	for kind := range byte(8) {
		add(denies, 0, []byte{0, 3, 0, 0, kind, 0, kind}, rename[1:], rename[1:], policedTransfer(4, seedSTOR))
		add(deletes, 0, []byte{0, 3, 0, 0, kind, 0, kind}, rename[1:], policedAct(actRNFR, 4), policedAct(actRNTO, 4), freeAct(seedTagged("NOOP")))
	}
	// The type is asked for with the legs open already.
	add(deletes, 0, nil, freeAct(seedPlain("EPSV")), policedAct(actLine, 2), freeAct(seedPlain("RETR")))
	// A policy arrives between REST and its transfer.
	add(denies<<4, 0, nil, freeAct(seedTagged("REST")), freeAct([]byte{13}), policedAct(actReload), policedTransfer(4, seedSTOR))
	add(denies, 0, nil, policedAct(actLine, 2), policedTransfer(4, seedRETR), policedAct(actLine, 3), policedTransfer(4, seedRETR), policedAct(actLine, 4))
	add(denies, 0, nil, inSecret, freeAct(seedTagged("REST")), policedTransfer(0, seedSTOR), policedTransfer(4, seedSTOR))
	return all
}
