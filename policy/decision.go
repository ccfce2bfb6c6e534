package policy

import "fmt"

// An Action is what becomes of a command. The zero value denies.
type Action uint8

// The actions.
const (
	Deny       Action = iota // the upstream never sees the command
	Allow                    // the command passes
	Disconnect               // as Deny, and the session ends
)

func (a Action) String() string {
	switch a {
	case Allow:
		return "allow"
	case Disconnect:
		return "disconnect"
	case Deny:
	}
	return "deny"
}

// A Reason says what brought a decision about.
type Reason uint8

// The reasons. The zero value is that nothing decided, which denies.
const (
	NoReason      Reason = iota
	ByRule               // every matcher of the rule matched
	ByDefault            // no rule matched
	ByUnknownVerb        // no rule names the verb, which is outside the registry
	ByExpression         // the rule's expression failed
	ByControlByte        // the argument holds a NUL, CR or LF; no rule was asked
)

func (r Reason) String() string {
	switch r {
	case ByRule:
		return "rule"
	case ByDefault:
		return "default"
	case ByUnknownVerb:
		return "unknown verb"
	case ByExpression:
		return "expression failed"
	case ByControlByte:
		return "control byte in the argument"
	case NoReason:
	}
	return "nothing decided"
}

// A Reply is what the client hears: one line.
type Reply struct {
	Code int
	Text string
}

// A Decision is what the policy says of a command, and why. The zero value
// denies.
type Decision struct {
	Action Action

	// Monitor says that the policy only watches: a command that it denies
	// passes all the same, and is logged as one that would have been denied.
	Monitor bool

	// Reply answers the client when the command does not pass.
	Reply Reply

	Reason Reason
	Rule   string // "" when no rule decided
	At     Place  // the rule, or its expression when that failed, or the default
	Detail string // what went wrong with the expression
}

// Passes tells whether the command may go on to the upstream.
func (d Decision) Passes() bool { return d.Action == Allow || d.Monitor }

// Why says in a few words what decided, and where.
func (d Decision) Why() string {
	switch d.Reason {
	case ByRule:
		return fmt.Sprintf("rule %q at %s", d.Rule, d.At)
	case ByExpression:
		return fmt.Sprintf("the failing condition of rule %q at %s: %s", d.Rule, d.At, d.Detail)
	case ByDefault, ByUnknownVerb, ByControlByte, NoReason:
	}
	return d.Reason.String() + ", at " + d.At.String()
}

// stricter tells whether d asks for more than other. A command that can be read
// in two ways is decided as either, and the stricter decision counts.
func (d *Decision) stricter(other *Decision) bool {
	return d.Action.severity() > other.Action.severity()
}

func (a Action) severity() int {
	switch a {
	case Allow:
		return 0
	case Disconnect:
		return 2
	case Deny:
	}
	return 1
}

// defaultReply answers a denied command when its rule says nothing.
func defaultReply(action Action, kind replyKind) Reply {
	switch {
	case action == Disconnect:
		return Reply{421, "Service closing control connection."}
	case kind == replyLogin:
		return Reply{530, "Not allowed."}
	case kind == replyPath:
		return Reply{550, "Permission denied."}
	case kind == replyUnknownVerb:
		return Reply{500, "Command not understood."}
	}
	return Reply{502, "Command not allowed."}
}
