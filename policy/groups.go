package policy

import (
	"strings"
)

// A group is a name for several verbs.
type group struct {
	name  string
	verbs []string
}

// groups are the names that start with "@". @unknown is not here: it is the verbs
// that have no name.
var groups = []group{
	{"@login", []string{"USER", "PASS", "ACCT", "REIN"}},
	{"@session", []string{
		"QUIT", "NOOP", "SYST", "STAT", "HELP", "FEAT", "OPTS", "TYPE", "MODE", "STRU",
		"CLNT", "LANG", "ALLO", "REST", "ABOR", "CSID", "RANG",
	}},
	{"@data", []string{"PASV", "EPSV", "PORT", "EPRT", "PRET"}},
	{"@navigate", []string{"CWD", "CDUP", "PWD", "SMNT"}},
	{"@list", []string{
		"LIST", "NLST", "MLSD", "MLST", formSTATPath, "SIZE", "MDTM", "HASH", "MD5", "MMD5",
		"XCRC", "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512", "AVBL", "DSIZ",
	}},
	{"@read", []string{"RETR", "THMB", "SITE CPFR"}},
	{"@write", []string{
		"STOR", "STOU", "APPE", "COMB", formMDTMSet, "MFMT", "MFF", "MFCT",
		"SITE CHMOD", "SITE CHGRP", "SITE CHOWN", "SITE UTIME",
		"SITE COPY", "SITE CPTO", "SITE SYMLINK",
	}},
	{"@delete", []string{"DELE", "RMD", "RMDA", "SITE RMDIR"}},
	{"@rename", []string{"RNFR", "RNTO"}},
	{"@mkdir", []string{"MKD", "SITE MKDIR"}},
	{"@site", []string{"SITE"}},
}

const (
	groupUnknown = "@unknown"
	everything   = "*"
)

// byName returns the verbs of the group.
func byName(name string) ([]string, bool) {
	for _, g := range groups {
		if g.name == name {
			return g.verbs, true
		}
	}
	return nil, false
}

// pathsOf says where a sub-command of SITE has its paths.
type pathsOf uint8

const (
	unknownPaths pathsOf = iota // the argument may mean anything
	noPath
	onePath
	wordPath // a word (mode, owner), then the path
	timePath // a path with a time in front, or with three behind
	manyPaths
)

// A subCommand is one of SITE's that servers agree on, more or less.
type subCommand struct {
	name  string
	paths pathsOf
}

var subCommands = []subCommand{
	{"SITE CHGRP", wordPath},
	{"SITE CHMOD", wordPath},
	{"SITE CHOWN", wordPath},
	{"SITE COPY", manyPaths},
	{"SITE CPFR", onePath},
	{"SITE CPTO", onePath},
	{"SITE DIRSTYLE", noPath},
	{"SITE HELP", noPath},
	{"SITE IDLE", noPath},
	{"SITE MKDIR", onePath},
	{"SITE QUOTA", noPath},
	{"SITE RMDIR", onePath},
	{"SITE SYMLINK", manyPaths},
	{"SITE UMASK", noPath},
	{"SITE UTIME", timePath},
	{"SITE WHO", noPath},
	{"SITE ZONE", noPath},
}

// pathsIn says where the arguments of a sub-command have their paths.
func pathsIn(name string) pathsOf {
	for _, s := range subCommands {
		if s.name == name {
			return s.paths
		}
	}
	return unknownPaths
}

// include adds what the name means to the set. The name is a group, "*", or a
// verb or sub-command that the vocabulary has.
func (v *vocabulary) include(set *verbSet, name string) {
	verbs, isGroup := byName(name)
	switch {
	case name == everything:
		for id := range v.names {
			set.add(verbID(id))
		}
	case name == groupUnknown:
		set.add(verbUnknown)
		for _, e := range v.verbs {
			if !e.known {
				set.add(e.id)
			}
		}
	case isGroup:
		for _, verb := range verbs {
			v.includeForm(set, verb, verb == otherSITE || verb == otherOPTS)
		}
	default:
		v.includeForm(set, name, true)
		switch name {
		case "STAT":
			v.includeForm(set, formSTATPath, false)
		case "MDTM":
			v.includeForm(set, formMDTMSet, false)
		}
	}
}

// includeForm adds one name; with subs, a verb brings its sub-commands along.
func (v *vocabulary) includeForm(set *verbSet, name string, subs bool) {
	if id, ok := v.subs[name]; ok {
		set.add(id)
		return
	}
	set.add(v.verbs[name].id)
	if !subs {
		return
	}
	for sub, id := range v.subs {
		if verb, _, _ := strings.Cut(sub, " "); verb == name && (verb == otherSITE || verb == otherOPTS) {
			set.add(id)
		}
	}
}
