package policy

import (
	"strings"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A verbID numbers what a rule can name: a verb of the registry (an X-form is
// the verb it stands for), one of the forms below, a sub-command of SITE or
// OPTS, or a verb outside the registry that some rule names.
type verbID uint8

// verbUnknown is every verb that is neither in the registry nor named by a rule.
const verbUnknown verbID = 0

// Some verbs do two things, depending on their argument. What does not change
// anything and what does have numbers of their own, so that the groups can tell
// them apart; the plain verb's name in a rule means both.
const (
	formSTATPath = "STAT path"      // a listing on the control connection
	formMDTMSet  = "MDTM time path" // sets the time
	otherSITE    = "SITE"
	otherOPTS    = "OPTS"
)

// maxVerbs bounds the numbers.
const maxVerbs = 256

// A verbSet is a set of verbIDs.
type verbSet [maxVerbs / 64]uint64

func (s *verbSet) add(id verbID)      { s[id/64] |= 1 << (id % 64) }
func (s *verbSet) has(id verbID) bool { return s[id/64]&(1<<(id%64)) != 0 }
func (s *verbSet) empty() bool        { return *s == verbSet{} }

func (s *verbSet) subtract(other *verbSet) {
	for i := range s {
		s[i] &^= other[i]
	}
}

// An entry is what the policy knows of one verb.
type entry struct {
	id       verbID
	argument ftpparse.ArgumentKind
	secret   bool
	known    bool
	transfer ftpparse.Direction
}

// A vocabulary numbers the verbs. It grows while a policy is compiled.
type vocabulary struct {
	verbs map[string]entry  // by name, X-forms included
	subs  map[string]verbID // sub-commands, "SITE CHMOD"
	names []string          // by number
	kinds []replyKind       // by number
}

// A replyKind chooses the reply to a denied command when the rule has none.
type replyKind uint8

const (
	replyOther replyKind = iota
	replyUnknownVerb
	replyLogin
	replyPath
)

// newVocabulary knows the registry and the sub-commands with a meaning of their
// own.
func newVocabulary() *vocabulary {
	v := &vocabulary{verbs: map[string]entry{}, subs: map[string]verbID{}}
	v.number("an unknown verb", replyUnknownVerb)
	for verb := range ftpparse.Verbs() {
		if verb.Name == verb.Canonical {
			id := v.number(verb.Name, kindOf(verb))
			v.verbs[verb.Name] = entry{id, verb.Argument, verb.Secret, true, verb.Transfer}
		}
	}
	for verb := range ftpparse.Verbs() {
		if verb.Name != verb.Canonical {
			v.verbs[verb.Name] = v.verbs[verb.Canonical]
		}
	}
	v.subs[formSTATPath] = v.number(formSTATPath, replyPath)
	v.subs[formMDTMSet] = v.number(formMDTMSet, replyPath)
	for _, s := range subCommands {
		kind := replyOther
		if s.paths != noPath {
			kind = replyPath
		}
		v.subs[s.name] = v.number(s.name, kind)
	}
	return v
}

func kindOf(verb ftpparse.Verb) replyKind {
	switch verb.Name {
	case "USER", "PASS", "ACCT", "REIN":
		return replyLogin
	case "STAT":
		return replyOther // without a path; with one it is a form of its own
	case "CDUP":
		return replyPath
	}
	if verb.Argument.HasPath() {
		return replyPath
	}
	return replyOther
}

func (v *vocabulary) number(name string, kind replyKind) verbID {
	v.names = append(v.names, name)
	v.kinds = append(v.kinds, kind)
	return verbID(len(v.names) - 1)
}

// full tells that no further name can be numbered.
func (v *vocabulary) full() bool { return len(v.names) >= maxVerbs }

// lookup finds a verb; one that nobody knows is verbUnknown.
func (v *vocabulary) lookup(verb string) entry {
	if e, ok := v.verbs[verb]; ok {
		return e
	}
	// Callers give verbs in upper case, as ftpparse does. Anything else is
	// folded here: a verb in lower case must not pass for an unknown one.
	if e, ok := v.verbs[upper(verb)]; ok {
		return e
	}
	return entry{id: verbUnknown}
}

// sub finds the sub-command of SITE or OPTS at the start of the argument. Blanks
// in front do not count, and quotes and backslashes are dropped from the word:
// some servers do so, and to them `SITE "EXEC"` is SITE EXEC.
func (v *vocabulary) sub(verb string, argument string) (verbID, string) {
	word, rest := cutWord(argument)
	var buffer [maxSub + len("SITE ")]byte
	name := append(buffer[:0], verb...)
	name = append(name, ' ')
	for i := range len(word) {
		if b := word[i]; b != '"' && b != '\'' && b != '\\' {
			if len(name) == len(buffer) {
				return v.verbs[verb].id, rest
			}
			name = append(name, upperByte(b))
		}
	}
	if id, ok := v.subs[string(name)]; ok {
		return id, rest
	}
	return v.verbs[verb].id, rest
}

// maxSub is the longest sub-command that a rule can name.
const maxSub = 32

// blanks are what servers take for the space between two words.
const blanks = " \t\v\f"

// cutWord returns the first word of s and what follows the blanks behind it.
func cutWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, blanks)
	if i := strings.IndexAny(s, blanks); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], blanks)
	}
	return s, ""
}

// upper returns s with ASCII letters in upper case and nothing else changed.
func upper(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = upperByte(b[i])
	}
	return string(b)
}

func upperByte(b byte) byte {
	if b >= 'a' && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// Governs tells whether the verb is the policy's to judge. The others the proxy
// answers itself, on both sides of the policy: what protects the connection
// belongs to the listener's tls block, and the rest would open connections
// behind the proxy's back.
func Governs(verb string) bool {
	switch upper(verb) {
	case "AUTH", "PBSZ", "PROT", "CCC", "ADAT", "MIC", "CONF", "ENC", "HOST",
		"SSCN", "CPSV", "LPRT", "LPSV", "ESTA", "ESTP":
		return false
	}
	return true
}
