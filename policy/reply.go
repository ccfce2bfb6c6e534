package policy

import (
	"strconv"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// A replyRule is a compiled reply block: a text in place of the upstream's.
type replyRule struct {
	verbs verbSet
	codes []string // prefixes; nil: every code
	any   bool     // also replies to no command, such as the greeting
	text  string
}

// ReplyText returns the text that stands in for the upstream's in a reply with
// this code to this command; not ok when the upstream's is relayed. The first
// rule that matches says so. The zero Command stands for no command: the
// greeting, or a farewell.
//
// The addresses in 227, 228 and 229, and the path in 257, are never replaced:
// clients read them. In other replies the operator may blank out what a client
// reads (the size in a 213), and then meant it.
func (p *Policy) ReplyText(c ftpparse.Command, code int) (text string, ok bool) {
	if len(p.replies) == 0 || isData(code) {
		return "", false
	}
	w := p.take()
	defer p.give(w)
	w.request.Command = c
	if c.Verb != "" {
		w.read(p.vocabulary)
	}
	var buffer [8]byte
	digits := strconv.AppendInt(buffer[:0], int64(code), 10)
	for i := range p.replies {
		if r := &p.replies[i]; r.answers(w) && r.matchCode(digits) {
			return r.text, true
		}
	}
	return "", false
}

// isData lists the codes whose text is for the client's program.
func isData(code int) bool { return code >= 227 && code <= 229 || code == 257 }

func (r *replyRule) answers(w *work) bool {
	if w.forms == 0 {
		return r.any
	}
	for _, verb := range w.verbs[:w.forms] {
		if r.verbs.has(verb) {
			return true
		}
	}
	return false
}

func (r *replyRule) matchCode(digits []byte) bool {
	if r.codes == nil {
		return true
	}
	for _, prefix := range r.codes {
		if len(digits) >= len(prefix) && string(digits[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

func (d *decoder) replyRule(b *hclsyntax.Block) *draft {
	r := &draft{at: b.DefRange()}
	d.body(b.Body, []field{
		{"commands", false, func(e hclsyntax.Expression) { d.commands(r, e) }},
		{"codes", false, func(e hclsyntax.Expression) { r.replaced.codes = d.codes(e) }},
		{"text", true, func(e hclsyntax.Expression) {
			m, ok := d.text(e)
			if ok && !isLine(m.text) {
				d.errorf(m.at, "Invalid text", "The text of a reply is one line without control characters, and not empty.")
			}
			r.replaced.text = m.text
		}},
	}, nil)
	r.replaced.any = !r.commands.given
	for _, m := range r.commands.elements {
		r.replaced.any = r.replaced.any || m.text == everything
	}
	return r
}

// codes reads codes and their beginnings.
func (d *decoder) codes(e hclsyntax.Expression) []string {
	codes := []string{}
	for _, m := range d.texts(e) {
		n, err := strconv.Atoi(m.text)
		switch {
		case err != nil || len(m.text) > 3 || m.text[0] < '1' || m.text[0] > '6':
			d.errorf(m.at, "Invalid code", "%q is not a code such as \"220\", nor the beginning of one such as \"5\" or \"55\".", m.text)
		case isData(n):
			d.errorf(m.at, "Invalid code", "The text of a %s is read by the client's program and cannot be replaced.", m.text)
		default:
			codes = append(codes, m.text)
		}
	}
	return codes
}
