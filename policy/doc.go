// Package policy decides whether a command may pass: facts in, a decision with
// its rule, file and line out.
//
//	policy "name" { … } ─► Compile ─► Policy, which never changes
//	                          │           │
//	                     diagnostics      ├─ Decide   (Request) ─► Decision
//	                                      ├─ Explain  (Request) ─► every rule looked at
//	                                      ├─ Limits, NeverAllows, NeedsDirectory (Request)
//	                                      ├─ ReplyText (command, code)
//	                                      └─ Test     its own test blocks
//
//	Request ─► what the command may be, which places it may touch ─► rules, in order ─► Decision
//	              argument.go, target.go, path.go                      rule.go
//
// A decision is a function of the request: no connection, no file, no clock, no
// log. The zero Decision denies. So does everything that goes wrong: an
// expression that fails, a verb that nobody knows, a place that cannot be known.
//
// An argument is not what it looks like: `LIST -la a b` is one directory to one
// server and two to another, `RETR {/x}` is a file's name here and a pattern
// there. So a request carries every way in which some server is known to read
// it. A rule that allows must match all of these places, a rule that denies any
// of them, and of two things that a command may be the stricter decision counts.
// The price is that a strange name is now and then refused, and never that a
// plain one slips through.
//
// Reading order: request.go and decision.go are what callers see; decide.go and
// rule.go how it is decided, index.go, narrow.go and literals.go how the rules are
// found that may match; argument.go and listing.go which part of an argument is a
// path, target.go which places a path may mean, path.go how it is cleaned; glob.go,
// braces.go and pathglob.go the patterns; verbs.go and groups.go the commands' names;
// expression.go, facts.go and functions.go what stands behind `when`.
// limit.go, reply.go, session.go, explain.go and test.go are what else a policy
// can be asked. The compiler is compile.go, draft.go, when.go and testfacts.go
// over decode.go; never.go finds the rules that never match.
//
// What it does not do:
//
//   - Follow symbolic links, fold case, or know about short names ("FINANC~1"):
//     what a name leads to is the upstream's own affair. A rule is about the path
//     that the client names, from the directory that the upstream reports. With a
//     server that ignores case, allow what is wanted instead of denying what is
//     not. The same goes for users: to vsftpd "FTP" and "Anonymous" are one.
//   - Know what else a server makes of a name: wu-ftpd sends the directory "a" as
//     an archive when asked for "a.tar", and some servers look through a list of
//     aliases and directories of their own when CWD fails; some decode "%2f", or
//     what is written in Unicode and looks like a slash, or hand a name to a shell.
//     A rule over `arguments` keeps such names away: configs/reference.hcl has one
//     that lets plain names pass alone.
//   - Ask on which system the server runs. Backslashes separate names, or stand for
//     the character behind them, or are characters of a name: a path that holds one
//     is all of these, so a rule that allows it must allow each. "C:\a" is /a and
//     /C:/a. The name of another machine and a data set of z/OS in single quotes are
//     places that nobody knows; no rule with paths allows them, and each that denies
//     does.
//   - Allow NLST and MLSD with an option and no path where paths count: Pure-FTPd
//     lists then what the client has named in some earlier command. Who needs it
//     and has another server allows it by `arguments`, without `paths`.
//   - Compare Unicode otherwise than byte by byte: "é" in one code point and in
//     two are different names, and so is "é" in Latin-1, which a server may take
//     after OPTS UTF8 OFF. What stands in the file is in normal form C, as HCL
//     reads it; so are all texts in conditions, the client's included.
//   - Judge AUTH, PBSZ, PROT, CCC and whatever else the proxy answers itself; see
//     [Governs].
//   - Count: the numbers of sessions, bytes and commands that limits bound are
//     the proxy's. What shares an account with whom, [Limit] says. A line takes
//     its turn by commands_per_second whatever becomes of it: denied, unknown,
//     malformed, too long, empty, before the login, AUTH and the like. QUIT does
//     not, nor ABOR during a transfer, unless the policy denies it: each ends
//     something, and there is nothing to be had by repeating it.
package policy
