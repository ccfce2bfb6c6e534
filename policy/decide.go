package policy

import (
	"errors"
	"math/bits"
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
	p.narrow(w)
	decision := p.decide(w, w.verbs[0], nil)
	for _, verb := range w.verbs[1:w.forms] {
		if other := p.decide(w, verb, nil); other.stricter(&decision) {
			decision = other
		}
	}
	return decision
}

// decide goes through the rules that name the verb and may match. Each rule that
// was looked at is reported to trace, if there is one.
func (p *Policy) decide(w *work, verb verbID, trace *[]Step) Decision {
	kind := p.vocabulary.kinds[verb]
	for i, word := range p.naming[verb] {
		for word &= w.left[i]; word != 0; word &= word - 1 {
			r := &p.rules[i*64+bits.TrailingZeros64(word)]
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
