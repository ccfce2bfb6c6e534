package proxy

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
)

// policed is what a client needs to provoke a policy.
type policed struct {
	reign  *reign // nil: there is none
	reload func()
	target string // the path of transfers, with %s for the number
}

// What a client does to be denied.
const (
	actDelete = iota
	actCWD
	actTransfer
	actRNFR
	actRNTO
	actLine
	actReload
	actsPoliced
)

// deletionSpellings all mean DELE to somebody.
func deletionSpellings() []string {
	return []string{"DELE", "dele", "dElE", "\xff\xf4\xff\xf2DELE", "D\xff\xf1ELE", "XDELE", "MDELE"}
}

// workingDirectories are arguments of CWD. The number is a directory that is left
// again.
func workingDirectories() []string {
	return []string{"/%s/../secret", "%s/../secret", "%s/../..", "/%s/../pub", "%s/../pub", "/%s/../pub/a\"b", "/%s/..", "/secret/%s"}
}

// transferPaths are arguments of transfer commands and renames.
func transferPaths() []string {
	return []string{"%s", "/secret/%s", "secret/%s", "../secret/%s", "/pub/%s", "/pub/../secret/%s", `"/secret/%s"`, "pub/%s", "/pub/./%s/../../secret/x"}
}

// policedLines are commands that policies look at. From the third on they carry no
// number.
func policedLines() []string {
	return []string{"PWD", "CDUP", "TYPE E", "TYPE I", "SITE EXEC x", "SITE exec x", "STAT /secret/x", "RMD /secret/x"}
}

func (c *fuzzClient) actPoliced(s *script) {
	switch s.pick(actsPoliced) {
	case actDelete:
		c.say(deletionSpellings()[s.pick(len(deletionSpellings()))])
	case actCWD:
		c.sayPath("CWD", workingDirectories()[s.pick(len(workingDirectories()))])
	case actTransfer:
		c.target = transferPaths()[s.pick(len(transferPaths()))]
		c.transfer(s)
	case actRNFR:
		c.sayPath("RNFR", transferPaths()[s.pick(len(transferPaths()))])
	case actRNTO:
		c.sayPath("RNTO", transferPaths()[s.pick(len(transferPaths()))])
	case actLine:
		if n := s.pick(len(policedLines())); n < 2 {
			c.say(policedLines()[n])
		} else {
			c.sayLine(policedLines()[n])
		}
	case actReload:
		c.reload()
		c.mu.Lock()
		c.reign.since = min(c.reign.since, len(c.said))
		c.mu.Unlock()
	}
}

// A stand is where an upstream stands, what it has said of that, and what it
// would do with the next command.
type stand struct {
	directory string
	spelling  int    // how PWD is answered there
	reported  string // by PWD, to the proxy; "": nothing that can be understood
	honest    bool   // what was reported was true

	renamable bool // 350 was the last reply but to what the proxy asks
	pending   bool // there was no RNTO since
	sequenced bool // until RNTO everything is out of sequence, as ProFTPD has it
	restart   bool // REST waits for its transfer
	owed      bool // there was a RNFR, whatever became of it, and no RNTO since

	representation string
}

// What an upstream answers to PWD.
const (
	pwdTrue      = iota
	pwdSoon      = iota + 4 // 120 first
	pwdLong                 // on several lines
	pwdUnquoted             // and so not to be understood
	pwdRefused              // 502
	pwdRelative             // a path without a slash in front
	pwdLies                 // another directory
	pwdWrongCode            // 200
	pwdKinds
)

// A fault is a command that the upstream heard and never should have.
type fault struct {
	under  law // and under any later one
	number int
	text   string
}

func (v *fuzzVisit) fault(under law, line, text string) {
	v.upstream.mu.Lock()
	defer v.upstream.mu.Unlock()
	v.upstream.faults = append(v.upstream.faults, fault{under, numberOf(line), "the upstream heard " + line + ": " + text})
}

// answerPoliced watches what comes, and tells whether it has answered it.
func (v *fuzzVisit) answerPoliced(verb, argument, tag string) bool {
	d := v.stand
	v.watch(verb, argument)
	if d.pending && d.sequenced && !slices.Contains([]string{"RNTO", "QUIT", "ABOR", "NOOP", "USER", "PASS"}, verb) {
		if verb == "PWD" && tag == "" {
			d.reported = ""
		}
		if movesFile(verb) {
			v.drop()
		}
		v.reply("501 out of sequence" + tag)
		return true
	}
	switch verb {
	case "PWD":
		v.tellDirectory(tag)
	case "CWD", "CDUP":
		v.changeDirectory(verb, argument, tag)
	case "RNFR":
		v.renameFrom(tag)
	case "RNTO":
		v.renameTo(argument, tag)
	case "TYPE":
		if v.upstream.pick(6) == 5 {
			v.reply("504" + tag)
			return true
		}
		d.representation = strings.ToUpper(argument)
		v.reply("200" + tag)
	default:
		return false
	}
	return true
}

// watch looks for what a policy should have kept away.
func (v *fuzzVisit) watch(verb, argument string) {
	d, line := v.stand, verb+" "+argument
	hostile := v.upstream.ways.has(wayHostile) // whose its 350 and its 257 were cannot be known
	switch {
	case strings.Contains(strings.ToUpper(verb), "DELE"), canonical(verb) == "RMD", verb == "SITE" && strings.HasPrefix(strings.ToUpper(strings.TrimSpace(argument)), "EXEC"):
		v.fault(lawDeletes, line, "forbidden")
	case verb == "RNTO" && argument != "":
		if !d.renamable && !hostile {
			v.fault(lawDeletes, line, "no RNFR got its 350")
		}
		v.touch(line, argument)
	case verb == "RNFR", movesFile(verb):
		v.touch(line, argument)
		if verb == "RETR" && d.representation == "E" && !hostile {
			v.fault(lawDeletes, line, "forbidden in this type")
		}
	case line == "PWD " && d.restart && !d.owed:
		v.fault(lawNone, line, "it comes between REST and its transfer")
	}
	if verb == "RNFR" || verb == "RNTO" {
		d.owed = verb == "RNFR"
	}
	if line != "PWD " && line != "NOOP " && line != "REST 0" {
		d.renamable = false
	}
	if !opensLeg(verb) && line != "NOOP " {
		d.restart = verb == "REST" && line != "REST 0"
	}
}

// touch looks at a path: as joined to what was reported, and to what is true.
func (v *fuzzVisit) touch(line, argument string) {
	d := v.stand
	relative := !strings.HasPrefix(argument, "/")
	if relative && v.upstream.ways.has(wayHostile) {
		return
	}
	if relative && d.reported == "" {
		v.fault(lawDenies, line, "relative to an unknown directory")
		return
	}
	bases := []string{d.reported}
	if d.honest {
		bases = append(bases, d.directory)
	}
	for _, base := range bases {
		full := joined(base, argument)
		if strings.HasPrefix(full, "/secret/") {
			v.fault(lawDenies, line, "it is "+full)
		}
		if !strings.HasPrefix(full, "/pub/") {
			v.fault(lawAllows, line, "it is "+full)
		}
	}
}

func joined(directory, argument string) string {
	if strings.HasPrefix(argument, "/") {
		return path.Clean(argument)
	}
	return path.Join("/", directory, argument)
}

// tellDirectory answers PWD. In one directory it is always the same answer. The tag
// comes first: the directory may hold another.
func (v *fuzzVisit) tellDirectory(tag string) {
	d := v.stand
	mine := tag == ""
	if mine {
		tag = ownTag
	}
	quoted := `"` + strings.ReplaceAll(d.directory, `"`, `""`) + `"`
	reported := ""
	switch d.spelling {
	case pwdUnquoted:
		v.reply("257" + tag + " " + strings.ReplaceAll(d.directory, `"`, ""))
	case pwdRefused:
		v.reply("502" + tag)
	case pwdRelative:
		v.reply("257" + tag + ` "secret"`)
	case pwdLies:
		reported = "/pub"
		v.reply("257" + tag + ` "/pub"`)
	case pwdWrongCode:
		v.reply("200" + tag + " " + quoted)
	case pwdLong:
		reported = d.directory
		v.reply("257-" + tag + " " + quoted + "\r\n 226 \"/pub\"\r\n257 end" + tag)
	default:
		reported = d.directory
		if d.spelling == pwdSoon && !v.isRunning() {
			v.reply("120" + tag)
		}
		v.reply("257" + tag + " " + quoted)
	}
	if mine {
		d.reported, d.honest = reported, reported == d.directory
	}
}

// ownTag stands in replies to what the proxy asks for itself.
const ownTag = " for the proxy alone"

// changeDirectory answers CWD, truly or not: PWD tells where it has led.
func (v *fuzzVisit) changeDirectory(verb, argument, tag string) {
	d := v.stand
	if verb == "CDUP" {
		argument = ".."
	}
	kind := v.upstream.pick(8)
	if kind != 5 && kind != 6 {
		d.directory, d.spelling = joined(d.directory, argument), v.upstream.pick(pwdKinds)
	}
	switch {
	case v.isRunning():
		v.reply("200" + tag)
	case kind == 5, kind == 7:
		v.reply("550" + tag)
	case kind == 4:
		v.write("250"+tag, true)
	case kind == 3:
		v.reply("120" + tag)
		v.reply("250" + tag)
	default:
		v.reply("250" + tag)
	}
}

func (v *fuzzVisit) renameFrom(tag string) {
	kind, during := v.upstream.pick(8), v.isRunning()
	switch {
	case kind == 5 && during, kind == 4:
		v.reply("502" + tag)
		return
	case kind == 5:
		v.reply("550" + tag)
		return
	case kind == 6:
		v.reply("200" + tag)
		return
	case kind == 7 && !during:
		v.reply("120" + tag)
	}
	v.stand.renamable, v.stand.pending = true, true
	v.reply("350" + tag)
}

func (v *fuzzVisit) renameTo(argument, tag string) {
	v.stand.pending = false
	switch during := v.isRunning(); {
	case argument == "":
		v.reply("501" + ownTag)
	case v.upstream.pick(6) == 5 && !during:
		v.reply("550" + tag)
	case during:
		v.reply("200" + tag)
	default:
		v.reply("250" + tag)
	}
}

// isRefusal tells whether a reply may be the policy's.
func isRefusal(r ftpparse.Reply) bool {
	switch r.Text() {
	case "Policed.", "Permission denied.", "Not allowed.", "Command not allowed.", "Command not understood.", "RNFR comes first.":
		return r.Class() == ftpparse.Permanent
	}
	return false
}

// judgePolicing checks what the upstream was kept from, and the client from.
func (p *played) judgePolicing(t *testing.T) {
	t.Helper()
	for _, f := range p.upstream.faults {
		if p.reign.over(f.number) >= f.under {
			p.fail(t, "%s", f.text)
		}
	}
	seen := map[int]string{}
	for _, line := range p.upstream.heard {
		verb, argument, _ := strings.Cut(line, " ")
		number := numberOf(argument)
		if number < 0 || slices.Contains([]string{"OPTS", "CLNT", "LANG"}, verb) { // these are said again
			continue
		}
		if before, twice := seen[number]; twice {
			p.fail(t, "%q was relayed, and %q", before, line)
		}
		seen[number] = line
	}
	if p.ways.has(wayHostile) {
		return
	}
	if slices.ContainsFunc(p.client.said, asksAlike) {
		return
	}
	for _, r := range p.client.heard {
		if strings.Contains(r.Text(), ownTag) || r.Text() == "still here" {
			p.fail(t, "the client hears what only the proxy asked: %q", r.Lines)
		}
	}
}

// asksAlike tells that the client itself says what the proxy may.
func asksAlike(line string) bool {
	c, err := ftpparse.ParseCommand([]byte(line))
	return err == nil && numberOf(c.Argument) < 0 && slices.Contains([]string{"PWD", "NOOP", "RNTO"}, c.Verb)
}
