package policy

import (
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
	naming     []ruleSet // by verb: the rules that name it
	indexes    []index
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

// take returns work for one decision; give gives it back.
func (p *Policy) take() *work {
	if w, ok := p.spare.Get().(*work); ok {
		return w
	}
	return &work{
		text:   make([]byte, 0, initialText),
		choice: choice{left: newRuleSet(len(p.rules)), some: newRuleSet(len(p.rules))},
	}
}

const (
	initialText = 1 << 10  // holds the targets of most commands
	maximumText = 64 << 10 // what is larger is not kept
)

func (p *Policy) give(w *work) {
	w.reset()
	if cap(w.text)+cap(w.probe) <= maximumText {
		p.spare.Put(w)
	}
}
