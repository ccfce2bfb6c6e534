package policy

import (
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty/function"
)

// A Policy is a compiled policy block. It does not change any more, and may be
// asked by many sessions at once.
type Policy struct {
	name       string
	at         Place
	monitor    bool
	fallback   Action // default: when no rule matches
	vocabulary *vocabulary
	rules      []rule
	candidates [][]candidate // by verb: the rules that name it, in the order of the file
	limits     []limit
	replies    []replyRule
	tests      []test
	env        environment
	spare      sync.Pool // of *work
}

// environment is what expressions stand on.
type environment struct {
	functions map[string]function.Function
	zone      *time.Location
}

// Name is the policy's label.
func (p *Policy) Name() string { return p.name }

// At is where the policy starts.
func (p *Policy) At() Place { return p.at }

// Monitor tells whether the policy only watches.
func (p *Policy) Monitor() bool { return p.monitor }

// A candidate is a rule that names a verb, with what sorts it out fastest.
type candidate struct {
	rule   *rule
	prefix string // what a path starts with that the rule's patterns match
	user   string // and a user's name
}

// index fills in candidates.
func (p *Policy) index() {
	p.candidates = make([][]candidate, len(p.vocabulary.names))
	for i := range p.rules {
		c := candidate{rule: &p.rules[i]}
		c.prefix, c.user = c.rule.prefixes()
		for id := range p.candidates {
			if c.rule.verbs.has(verbID(id)) {
				p.candidates[id] = append(p.candidates[id], c)
			}
		}
	}
}

// prefixes returns what every path starts with that one of the rule's patterns
// matches, and every user's name; "" when nothing can be said.
func (r *rule) prefixes() (path, user string) {
	var paths, users []string
	for _, g := range r.paths.elements {
		for i := range g.alternatives {
			paths = append(paths, g.alternatives[i].prefix)
		}
	}
	for _, g := range r.who.users.elements {
		for i := range g.alternatives {
			users = append(users, g.alternatives[i].prefix())
		}
	}
	return commonPrefix(paths), commonPrefix(users)
}

func commonPrefix(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	common := texts[0]
	for _, text := range texts[1:] {
		for !strings.HasPrefix(text, common) {
			common = common[:len(common)-1]
		}
	}
	return common
}

// take returns work for one decision; give gives it back.
func (p *Policy) take() *work {
	if w, ok := p.spare.Get().(*work); ok {
		return w
	}
	return &work{text: make([]byte, 0, initialText)}
}

const (
	initialText = 1 << 10  // holds the targets of most commands
	maximumText = 64 << 10 // what is larger is not kept
)

func (p *Policy) give(w *work) {
	w.reset()
	if cap(w.text) <= maximumText {
		p.spare.Put(w)
	}
}
