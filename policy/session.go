package policy

// What follows looks at a session as a whole: the same facts, no command.

// NeverAllows tells whether the policy denies the verb outright in this session,
// whatever its argument, so that FEAT must not announce it. Where a rule depends on
// what may change from command to command, the answer is no; until the login the
// user, the host and TLS may change as well. The request's command and directory
// are not looked at.
func (p *Policy) NeverAllows(q Request, verb string) bool {
	if p.monitor || !Governs(verb) {
		return false
	}
	w := p.take()
	defer p.give(w)
	w.ask(&q)
	for _, id := range p.forms(verb) {
		if !p.neverAllows(w, id) {
			return false
		}
	}
	return true
}

// forms lists the numbers of a verb with all its forms and sub-commands, or of
// one sub-command.
func (p *Policy) forms(verb string) []verbID {
	v := p.vocabulary
	name := upper(verb)
	if id, ok := v.subs[name]; ok {
		return []verbID{id}
	}
	e := v.lookup(name)
	if !e.known {
		return []verbID{e.id}
	}
	var set verbSet
	v.include(&set, v.names[e.id])
	var ids []verbID
	for id := range v.names {
		if set.has(verbID(id)) {
			ids = append(ids, verbID(id))
		}
	}
	return ids
}

func (p *Policy) neverAllows(w *work, id verbID) bool {
	for i := range p.rules {
		r := &p.rules[i]
		if !r.verbs.has(id) {
			continue
		}
		switch r.outright(p, w) {
		case perhaps:
			if r.action == Allow {
				return false
			}
		case certainly:
			return r.action != Allow
		case failing:
			return true
		case notAtAll:
		}
	}
	return id == verbUnknown || p.vocabulary.kinds[id] == replyUnknownVerb || p.fallback != Allow
}

// A likelihood says whether a rule matches when only the session is known.
type likelihood uint8

const (
	notAtAll likelihood = iota
	perhaps
	certainly
	failing // the expression has no value, whatever the command
)

func (r *rule) outright(p *Policy, w *work) likelihood {
	who := r.who
	stranger := !w.request.Session.LoggedIn
	if stranger {
		who = r.who.stranger()
	}
	if r.never || who.check(&w.request, r.action != Allow) != NoMatcher {
		return notAtAll
	}
	if r.paths.given || r.arguments.given || r.when != nil && (stranger || r.when.varies) ||
		stranger && (r.who.users.given || r.who.hosts.given) {
		return perhaps
	}
	if r.when == nil {
		return certainly
	}
	holds, err := r.when.holds(p, w, nil)
	switch {
	case err != nil:
		return failing
	case holds:
		return certainly
	}
	return notAtAll
}

// NeedsDirectory tells whether decisions in this session may depend on the
// working directory, so that the upstream has to be asked for it.
func (p *Policy) NeedsDirectory(q Request) bool {
	q.Client = plainAddress(q.Client)
	for i := range p.rules {
		r := &p.rules[i]
		if r.never || r.who.check(&q, r.action != Allow) != NoMatcher {
			continue
		}
		if r.paths.given || r.when != nil && r.when.usesPath {
			return true
		}
	}
	return false
}
