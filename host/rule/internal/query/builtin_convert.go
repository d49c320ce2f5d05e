package query

import (
	"crypto/md5" //nolint:gosec // what the function is called
	crand "crypto/rand"
	"crypto/sha1" //nolint:gosec // what the function is called
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

var convertFunctions = map[string]builtin{
	"cast":       {min: 2, max: 2, check: castType, run: cast},
	"encode":     {min: 2, max: 2, check: base64Only, run: encode},
	"decode":     {min: 2, max: 2, check: base64Only, run: decode},
	"trunc":      {min: 2, max: 2, check: numbers, run: trunc},
	"md5":        digest(func(b []byte) []byte { h := md5.Sum(b); return h[:] }),  //nolint:gosec // as above
	"sha1":       digest(func(b []byte) []byte { h := sha1.Sum(b); return h[:] }), //nolint:gosec // as above
	"sha256":     digest(func(b []byte) []byte { h := sha256.Sum256(b); return h[:] }),
	"sha384":     digest(func(b []byte) []byte { h := sha512.Sum384(b); return h[:] }),
	"sha512":     digest(func(b []byte) []byte { h := sha512.Sum512(b); return h[:] }),
	"newuuid":    {impure: true, run: newUUID},
	"to_json":    {min: 1, max: 1, nulls: nullGiven, run: toJSON},
	"parse_json": {min: 1, max: 1, run: parseJSON},
}

func castType(args []code) error {
	if !args[1].constant {
		return nil
	}
	switch args[1].value.words() {
	case "bigint", "float", "string", "boolean", "datetime", "bytea":
		return nil
	}
	return invalid("found %s as argument 2, expected bigint, float, string, boolean, datetime or bytea", args[1].value)
}

func cast(_ *siteState, a []val) (val, error) {
	v, to := a[0], a[1].words()
	fail := func() (val, error) { return val{}, invalid("found %s, which cannot be cast to %s", v, to) }
	switch to {
	case "bigint":
		return castInt(v, fail)
	case "float":
		switch v.kind {
		case kInt, kFloat:
			return floatVal(v.float()), nil
		case kBool:
			return floatVal(float64(v.bits)), nil
		case kText:
			if f, err := strconv.ParseFloat(v.text(), 64); err == nil {
				return floatVal(f), nil
			}
		}
		return fail()
	case "string":
		return textVal(v.words()), nil
	case "boolean":
		switch v.kind {
		case kBool:
			return v, nil
		case kInt, kFloat:
			return boolVal(v.float() != 0), nil
		case kText:
			if b, err := strconv.ParseBool(v.text()); err == nil {
				return boolVal(b), nil
			}
		}
		return fail()
	case "datetime":
		if t, ok := toTime(v); ok {
			return val{ref: t, kind: kTime}, nil
		}
		return fail()
	case "bytea":
		if _, ok := v.ref.([]byte); ok {
			return v, nil
		}
		if v.kind == kText {
			if b, err := base64.StdEncoding.DecodeString(v.text()); err == nil {
				return load(b), nil
			}
		}
		return fail()
	}
	return val{}, castType([]code{{}, constant(a[1])})
}

func castInt(v val, fail func() (val, error)) (val, error) {
	switch v.kind {
	case kInt:
		return v, nil
	case kFloat:
		if n, ok := floatVal(math.Trunc(v.float())).integer(); ok {
			return intVal(n), nil
		}
	case kBool:
		return intVal(int64(v.bits)), nil
	case kText:
		if n, err := strconv.ParseInt(v.text(), 10, 64); err == nil {
			return intVal(n), nil
		}
	}
	return fail()
}

func base64Only(args []code) error {
	if args[1].constant && !strings.EqualFold(args[1].value.words(), "base64") {
		return invalid("found %s as argument 2, expected base64", args[1].value)
	}
	return nil
}

// octets are what encode and the hashes work on.
func octets(v val) []byte {
	if b, ok := v.ref.([]byte); ok {
		return b
	}
	return []byte(v.words())
}

func encode(_ *siteState, a []val) (val, error) {
	if err := base64Only([]code{{}, constant(a[1])}); err != nil {
		return val{}, err
	}
	return bounded(base64.StdEncoding.EncodeToString(octets(a[0])))
}

func decode(_ *siteState, a []val) (val, error) {
	if err := base64Only([]code{{}, constant(a[1])}); err != nil {
		return val{}, err
	}
	b, err := base64.StdEncoding.DecodeString(a[0].words())
	if err != nil {
		return val{}, invalid("fail to decode base64 string: %v", err)
	}
	return load(b), nil
}

func bounded(s string) (val, error) {
	if len(s) > maxResult {
		return val{}, invalid("found a result of %d bytes, expected at most %d", len(s), maxResult)
	}
	return textVal(s), nil
}

// trunc cuts decimals off, as the documentation says; eKuiper rounds.
func trunc(_ *siteState, a []val) (val, error) {
	x, err := numeric(a[0])
	if err != nil {
		return val{}, err
	}
	n, err := integral(a[1])
	if err != nil {
		return val{}, err
	}
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if i := strings.IndexByte(s, '.'); i >= 0 {
		s = s[:min(len(s), i+1+int(min(max(n, 0), 34)))]
	}
	x, _ = strconv.ParseFloat(s, 64)
	return finite(x), nil
}

func digest(sum func([]byte) []byte) builtin {
	return builtin{min: 1, max: 1, run: func(_ *siteState, a []val) (val, error) {
		return textVal(hex.EncodeToString(sum(octets(a[0])))), nil
	}}
}

func newUUID(*siteState, []val) (val, error) {
	var u [16]byte
	crand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return textVal(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])), nil
}

func toJSON(_ *siteState, a []val) (val, error) {
	b, err := json.Marshal(a[0].box())
	if err != nil {
		return val{}, invalid("found %s, which JSON cannot say: %v", a[0], err)
	}
	return bounded(string(b))
}

func parseJSON(_ *siteState, a []val) (val, error) {
	var x any
	if err := json.Unmarshal(octets(a[0]), &x); err != nil {
		return val{}, invalid("fail to parse json: %v", err)
	}
	return load(x), nil
}

// asJSON is the words of lists and maps.
func asJSON(x any) string {
	b, err := json.Marshal(x)
	if err != nil {
		return fmt.Sprint(x)
	}
	return string(b)
}
