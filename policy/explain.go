package policy

// An Explanation is a decision with everything that was looked at on the way.
type Explanation struct {
	Decision Decision
	// Readings are the ways in which the command was read, usually one.
	Readings []Reading
}

// A Reading is a command as one of the things that it may be.
type Reading struct {
	// Command is the verb or form, as a rule would name it.
	Command string
	// Paths are the places it may touch: absolute and cleaned.
	Paths []Path
	// Steps are the rules, up to the one that decided.
	Steps    []Step
	Decision Decision
}

// A Path is a place that a command may touch.
type Path struct {
	Path    string // "" when Unknown
	Unknown bool   // no allowing path rule matches it, and every other does
	Below   bool   // what is below is touched, too
	From    bool   // named by RNFR
	Odd     bool   // an unlikely reading: it may deny and need not be allowed
}

// A Step is a rule that was looked at.
type Step struct {
	Rule   string
	At     Place
	Action Action
	// Failed is the first matcher that did not match. NoMatcher: the rule
	// decided.
	Failed Matcher
	// Error is what went wrong with the expression: then the rule decided, and
	// denied.
	Error string
}

// Explain decides as Decide does, and tells how.
func (p *Policy) Explain(q Request) Explanation {
	decision := p.Decide(q)
	if decision.Reason == ByControlByte {
		return Explanation{Decision: decision}
	}
	w := p.take()
	defer p.give(w)
	w.ask(&q)
	w.read(p.vocabulary)
	w.left.fill() // every rule is looked at
	e := Explanation{Decision: decision}
	for _, verb := range w.verbs[:w.forms] {
		e.Readings = append(e.Readings, p.explain(w, verb))
	}
	return e
}

func (p *Policy) explain(w *work, verb verbID) Reading {
	reading := Reading{Command: p.vocabulary.names[verb], Paths: w.places()}
	var looked []Step
	reading.Decision = p.decide(w, verb, &looked)
	// decide skips the rules that do not name the verb.
	for i := range p.rules {
		r := &p.rules[i]
		if !r.verbs.has(verb) {
			reading.Steps = append(reading.Steps, p.step(r, MatchCommands, nil))
			continue
		}
		step := looked[0]
		reading.Steps, looked = append(reading.Steps, step), looked[1:]
		if step.Failed == NoMatcher || step.Error != "" {
			break
		}
	}
	return reading
}

func (p *Policy) step(r *rule, failed Matcher, err error) Step {
	s := Step{Rule: r.name, At: r.at, Action: r.action, Failed: failed}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}

func (w *work) places() []Path {
	var paths []Path
	for i := range w.targets[:w.count] {
		t := &w.targets[i]
		paths = append(paths, Path{
			Path:    string(w.pathOf(t)),
			Unknown: t.how&targetUnknown != 0,
			Below:   t.how&(targetBelow|targetCarries) != 0,
			From:    t.how&targetSource != 0,
			Odd:     t.how&targetOdd != 0,
		})
	}
	return paths
}
