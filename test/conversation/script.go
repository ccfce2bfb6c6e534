package conversation

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/ftpsproxy/ftpsproxy/policy"
)

// A Script is one conversation, parsed.
type Script struct {
	Name string
	// About is the paragraph that the file opens with.
	About    string
	Settings Settings
	Steps    []Step
	// Policies are those that the script names.
	Policies map[string]*policy.Policy
}

// A Step is one line of a conversation.
type Step struct {
	File  string
	Line  int
	Actor string // C, U, CD, UD, S, L or P
	// Action is one of the signs > >> !> < <+ <- or a phrase: "starts TLS".
	Action string
	// Argument is what is said or heard, as it is written.
	Argument string
}

// String is the step as it stands in the file.
func (s Step) String() string {
	if !isSign(s.Action) {
		return s.Actor + " " + s.Action
	}
	return strings.TrimSuffix(s.Actor+s.Action+" "+s.Argument, " ")
}

func isSign(action string) bool {
	switch action {
	case ">", ">>", "!>", "<", "<+", "<-":
		return true
	}
	return false
}

// The shapes of a line. What almost looks like a step or a directive is a
// mistake, never a comment: a slip of the pen must not turn a check off.
const (
	stepShape      = `^(CD|UD|C|U|S|L)(>>|!>|>|<\+|<-|<)(?: (.*))?$`
	phraseShape    = `^(CD|UD|C|U|S|P) +(.+)$`
	directiveShape = `^([a-z]+):((?: +[a-z_0-9.]+=\S+)+)$`
	suspectShape   = `^ ?[A-Za-z]{1,2} ?(?:[<>]|!>)|^ *[A-Za-z]+ *: *\S+=`
	fragmentShape  = `^[a-z]+(?:-[a-z]+)*$`
	policyShape    = `^policy: +([a-z0-9-]+)$`
)

// A parser reads a script and the fragments it plays.
type parser struct {
	files                                        fs.FS
	step, phrase, directive, suspect, fragmentRe *regexp.Regexp
	policyRe                                     *regexp.Regexp
	script                                       *Script
}

// ParseFile reads the conversation in the named file. Fragments are looked up
// in the folder "steps" beside it.
func ParseFile(files fs.FS, name string) (*Script, error) {
	base := strings.TrimSuffix(path.Base(name), ".txt")
	p := &parser{
		files:      files,
		step:       regexp.MustCompile(stepShape),
		phrase:     regexp.MustCompile(phraseShape),
		directive:  regexp.MustCompile(directiveShape),
		suspect:    regexp.MustCompile(suspectShape),
		fragmentRe: regexp.MustCompile(fragmentShape),
		policyRe:   regexp.MustCompile(policyShape),
		script:     &Script{Name: base, Settings: DefaultSettings(), Policies: map[string]*policy.Policy{}},
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	p.script.About = opening(text)
	if err := p.parse(path.Base(name), text); err != nil {
		return nil, err
	}
	if len(p.script.Steps) == 0 {
		return nil, fmt.Errorf("%s: no steps", name)
	}
	return p.script, nil
}

// opening is the first paragraph, on one line.
func opening(text []byte) string {
	first, _, _ := strings.Cut(string(text), "\n\n")
	return strings.Join(strings.Fields(first), " ")
}

func (p *parser) parse(file string, text []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		if err := p.line(file, n, lines.Text()); err != nil {
			return fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
	return lines.Err()
}

func (p *parser) line(file string, n int, line string) error {
	if m := p.directive.FindStringSubmatch(line); m != nil {
		if len(p.script.Steps) > 0 {
			return fmt.Errorf("directive after the first step")
		}
		return p.script.Settings.apply(m[1], strings.Fields(m[2]))
	}
	if m := p.policyRe.FindStringSubmatch(line); m != nil {
		if len(p.script.Steps) > 0 {
			return fmt.Errorf("directive after the first step")
		}
		err := p.load(m[1])
		p.script.Settings.Listener.Policy = p.script.Policies[m[1]]
		return err
	}
	if m := p.step.FindStringSubmatch(line); m != nil {
		return p.add(Step{File: file, Line: n, Actor: m[1], Action: m[2], Argument: m[3]}, line)
	}
	if m := p.phrase.FindStringSubmatch(line); m != nil {
		return p.add(Step{File: file, Line: n, Actor: m[1], Action: m[2]}, line)
	}
	if p.suspect.MatchString(line) {
		return fmt.Errorf("%q looks like a step or a directive and is none", line)
	}
	if p.fragmentRe.MatchString(line) {
		return p.fragment(line)
	}
	return nil
}

func (p *parser) add(s Step, line string) error {
	if strings.TrimRight(line, " \t") != line {
		return fmt.Errorf("blanks at the end cannot be seen: write \\x20")
	}
	if err := checkStep(s); err != nil {
		return err
	}
	if name, ok := policyTaken(s); ok {
		if err := p.load(name); err != nil {
			return err
		}
	}
	p.script.Steps = append(p.script.Steps, s)
	return nil
}

// fragment plays a file of testdata/steps. A line of one word that names none
// is a mistake too.
func (p *parser) fragment(name string) error {
	text, err := fs.ReadFile(p.files, path.Join("steps", name+".txt"))
	if err != nil {
		return fmt.Errorf("no steps are called %q", name)
	}
	return p.parse("steps/"+name+".txt", text)
}

// checkStep refuses what the player would not understand.
func checkStep(s Step) error {
	if !isSign(s.Action) {
		if phraseOf(s) == nil {
			return fmt.Errorf("%s cannot do %q", s.Actor, s.Action)
		}
		return nil
	}
	isData := s.Actor == "CD" || s.Actor == "UD"
	isAmong := s.Action == "<+" || s.Action == "<-"
	if s.Actor == "S" || s.Actor == "P" || s.Actor == "L" && !isAmong || isData && s.Action != ">" && s.Action != "<" {
		return fmt.Errorf("%s knows no %s", s.Actor, s.Action)
	}
	_, err := parsePattern(s.Argument)
	return err
}
