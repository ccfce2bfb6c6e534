package tlsterm

import (
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger returns a logger for certmagic and acmez that writes nothing: it turns
// the lines that tell how far an order has come into steps of the steward.
func (k *steward) logger() *zap.Logger { return zap.New(stepCore{steward: k}) }

// A stepCore is a [zapcore.Core] that keeps what it is told only while it looks
// at it.
type stepCore struct {
	steward *steward
	with    []zapcore.Field
}

func (c stepCore) Enabled(level zapcore.Level) bool { return level >= zapcore.InfoLevel }

func (c stepCore) With(fields []zapcore.Field) zapcore.Core {
	return stepCore{steward: c.steward, with: append(c.with[:len(c.with):len(c.with)], fields...)}
}

func (c stepCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c stepCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range c.with {
		f.AddTo(values)
	}
	for _, f := range fields {
		f.AddTo(values)
	}
	if text := stepText(entry.Message, values.Fields); text != "" {
		c.steward.step(oneLine(text))
	}
	return nil
}

func (c stepCore) Sync() error { return nil }

// stepText gives our words for the messages that mark a step, and "" for all
// others. An unknown message is no loss: failures come as errors.
func stepText(message string, field map[string]any) string {
	switch message {
	case "acquiring lock":
		return "waiting until no other process orders this certificate"
	case "obtaining certificate", "renewing certificate":
		return "placing an order"
	case "new ACME account registered":
		return "account registered"
	case "trying to solve challenge":
		return fmt.Sprintf("proving control of %v by %v", field["identifier"], field["challenge_type"])
	case "served key authentication", "served key authentication certificate":
		return fmt.Sprintf("%v was asked for from %v and answered", field["challenge"], field["remote"])
	case "authorization finalized":
		return fmt.Sprintf("the authority finds the proof %v", field["authz_status"])
	case "validations succeeded; finalizing order":
		return "asking for the certificate"
	case "successfully downloaded available certificate chains":
		return "certificate received"
	default:
		return ""
	}
}
