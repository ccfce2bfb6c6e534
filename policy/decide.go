package policy

import (
	"errors"
	"strings"
)

// Decide says what becomes of a command. It asks the rules in the order of the
// file; the first of which every matcher matches decides.
func (p *Policy) Decide(q Request) Decision {
	if hasControl(q.Command.Argument) || hasControl(q.RenameFrom.Argument) {
		// ftpparse lets no such line through; who asks all the same gets no
		// second reading of what is behind the byte.
		return Decision{Reason: ByControlByte, At: p.at, Reply: Reply{501, "Invalid character in argument."}}
	}
	w := p.take()
	defer p.give(w)
	w.ask(&q)
	w.read(p.vocabulary)
	decision := p.decide(w, w.verbs[0], nil)
	for _, verb := range w.verbs[1:w.forms] {
		if other := p.decide(w, verb, nil); other.stricter(&decision) {
			decision = other
		}
	}
	return decision
}

// decide goes through the rules that name the verb. Each rule that was looked at
// is reported to trace, if there is one.
func (p *Policy) decide(w *work, verb verbID, trace *[]Step) Decision {
	kind := p.vocabulary.kinds[verb]
	needed, only := w.gates()
	for i := range p.candidates[verb] {
		c := &p.candidates[verb][i]
		r := c.rule
		place := only
		if r.action == Allow {
			place = needed
		}
		if trace == nil && (place != nil && !startsWith(place, c.prefix) || !strings.HasPrefix(w.request.User, c.user)) {
			continue
		}
		failed, err := r.check(p, w)
		if trace != nil {
			*trace = append(*trace, p.step(r, failed, err))
		}
		switch {
		case err != nil:
			return p.failed(r, kind, err)
		case failed == NoMatcher:
			return p.matched(r, kind)
		}
	}
	if verb == verbUnknown || kind == replyUnknownVerb {
		// Whatever the default: nobody can say what such a command would do.
		return Decision{Monitor: p.monitor, Reason: ByUnknownVerb, At: p.at, Reply: defaultReply(Deny, kind)}
	}
	d := Decision{Action: p.fallback, Monitor: p.monitor, Reason: ByDefault, At: p.at}
	if d.Action != Allow {
		d.Reply = defaultReply(d.Action, kind)
	}
	return d
}

// gates returns what sorts rules out by the start of their patterns: a path that
// an allowing rule has to match, and the one path that any other rule can match.
// They are nil when there is no such path.
func (w *work) gates() (needed, only []byte) {
	for i := range w.targets[:w.count] {
		t := &w.targets[i]
		if w.count == 1 && t.how == 0 {
			only = w.pathOf(t)
		}
		if needed == nil && t.how&(targetOdd|targetUnknown) == 0 {
			needed = w.pathOf(t)
		}
	}
	return needed, only
}

func (p *Policy) matched(r *rule, kind replyKind) Decision {
	d := Decision{Action: r.action, Monitor: p.monitor, Reason: ByRule, Rule: r.name, At: r.at}
	if r.action != Allow {
		d.Reply = r.reply
		if d.Reply.Code == 0 {
			d.Reply = defaultReply(r.action, kind)
		}
	}
	return d
}

// failed denies what a rule's expression could not be asked about.
func (p *Policy) failed(r *rule, kind replyKind, err error) Decision {
	d := Decision{
		Monitor: p.monitor, Reason: ByExpression, Rule: r.name, At: r.when.at,
		Reply: defaultReply(Deny, kind), Detail: err.Error(),
	}
	var located *evaluationError
	if errors.As(err, &located) {
		d.At = located.at
	}
	return d
}
