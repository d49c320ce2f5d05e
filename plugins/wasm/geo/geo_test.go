//go:build !wasip1

package main

import (
	"encoding/csv"
	"errors"
	"math"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"testing"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

type city struct {
	name, geohash string
	lat, lon      float64
}

func loadCities(t *testing.T) []city {
	t.Helper()
	file, err := os.Open("testdata/cities.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var cities []city
	for _, row := range rows[1:] {
		lat, err := strconv.ParseFloat(row[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		lon, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		cities = append(cities, city{row[0], row[4], lat, lon})
	}
	if len(cities) < 120 {
		t.Fatalf("%d cities", len(cities))
	}
	return cities
}

// The geohashes of the file were computed by programs that share nothing with this one.
func TestCities(t *testing.T) {
	for _, c := range loadCities(t) {
		for n := 1; n <= 9; n++ {
			got, err := vanth.Call("geohash", c.lat, c.lon, n)
			if err != nil || got != c.geohash[:n] {
				t.Errorf("%s, %d characters: %v, %v, want %s", c.name, n, got, err, c.geohash[:n])
			}
		}
		v, err := vanth.Call("geohash_decode", c.geohash)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		m := v.(map[string]any)
		if math.Abs(m["lat"].(float64)-c.lat) > m["lat_err"].(float64) || math.Abs(m["lon"].(float64)-c.lon) > m["lon_err"].(float64) {
			t.Errorf("%s: %v does not hold %v %v", c.name, m, c.lat, c.lon)
		}
	}
}

func TestEncodeEdges(t *testing.T) {
	for _, c := range []struct {
		lat, lon float64
		length   int32
		want     string
	}{
		{57.64911, 10.40744, 11, "u4pruydqqvj"},
		{0, 0, 12, "s00000000000"},
		{math.Copysign(0, -1), math.Copysign(0, -1), 3, "s00"},
		{-90, -180, 12, "000000000000"},
		{90, 180, 12, "zzzzzzzzzzzz"},
		{-90, 180, 3, "pbp"},
		{90, -180, 3, "bpb"},
	} {
		if got, err := encode(c.lat, c.lon, c.length); err != nil || got != c.want {
			t.Errorf("%v %v: %s, %v, want %s", c.lat, c.lon, got, err, c.want)
		}
	}
}

func TestDecode(t *testing.T) {
	for hash, want := range map[string]cell{
		"z":            {67.5, 157.5, 22.5, 22.5},
		"ezs42":        {42.60498046875, -5.60302734375, 0.02197265625, 0.02197265625},
		"EZS42":        {42.60498046875, -5.60302734375, 0.02197265625, 0.02197265625},
		"7zzzzzzzzzzz": {-8.381903171539307e-08, -1.6763806343078613e-07, 8.381903171539307e-08, 1.6763806343078613e-07},
	} {
		if got, err := decode(hash); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", hash, got, err, want)
		}
	}
}

// The centre of a cell has the cell's geohash, wherever it lies.
func TestRoundTrip(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 10_000 {
		lat, lon, n := random.Float64()*180-90, random.Float64()*360-180, 1+random.Int31n(12)
		hash, err := encode(lat, lon, n)
		if err != nil {
			t.Fatal(err)
		}
		c, err := decode(hash)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := encode(c.lat, c.lon, n); err != nil || again != hash {
			t.Fatalf("%v %v: %s became %s, %v", lat, lon, hash, again, err)
		}
	}
}

func TestDistance(t *testing.T) {
	quarter := math.Pi / 2 * radius
	for _, c := range []struct{ lat1, lon1, lat2, lon2, want float64 }{
		{12.5, 7, 12.5, 7, 0},
		{0, 0, 90, 123, quarter},
		{0, 0, 0, 90, quarter},
		{0, 0, 0, 180, 2 * quarter},
		{30, 10, -30, -170, 2 * quarter},
		{0, 179.5, 0, -179.5, quarter / 90}, // over the antimeridian
		{0, -180, 0, 180, 0},
		{35.6895, 139.69171, -23.5475, -46.63611, 18533847.291210636}, // Tokyo, São Paulo: computed elsewhere
	} {
		for _, p := range [][4]float64{{c.lat1, c.lon1, c.lat2, c.lon2}, {c.lat2, c.lon2, c.lat1, c.lon1}} {
			got, err := distance(p[0], p[1], p[2], p[3])
			if err != nil || math.Abs(got-c.want) > 1e-6*max(1, c.want/1000) {
				t.Errorf("%v: %v, %v, want %v", p, got, err, c.want)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []struct {
		function string
		args     []any
		want     string
	}{
		{"geohash", []any{90.1, 0, 5}, "latitude 90.1 is not within"},
		{"geohash", []any{-91, 0, 5}, "latitude -91 is not within"},
		{"geohash", []any{math.NaN(), 0, 5}, "latitude NaN is not within"},
		{"geohash", []any{0, 180.5, 5}, "longitude 180.5 is not within"},
		{"geohash", []any{0, math.Inf(-1), 5}, "longitude -Inf is not within"},
		{"geohash", []any{0, 0, 0}, "length 0 is not within"},
		{"geohash", []any{0, 0, 13}, "length 13 is not within"},
		{"geohash", []any{0, 0, 5.5}, "argument 3: found float 5.5"},
		{"geohash", []any{0, 0}, "found 2 arguments"},
		{"geohash_decode", []any{""}, "a geohash of 0 bytes"},
		{"geohash_decode", []any{strings.Repeat("0", 13)}, "a geohash of 13 bytes"},
		{"geohash_decode", []any{"ezsa"}, "character 'a' at 4"},
		{"geohash_decode", []any{"z é"}, "character ' ' at 2"},
		{"geohash_decode", []any{"zé"}, "character 'é' at 2"},
		{"geohash_decode", []any{5}, "argument 1: found int 5, expected string"},
		{"distance", []any{91, 0, 0, 0}, "latitude 91 of point 1 is not within"},
		{"distance", []any{0, 0, 0, -181}, "longitude -181 of point 2 is not within"},
	} {
		_, err := vanth.Call(c.function, c.args...)
		var e *vanth.Error
		if !errors.As(err, &e) || e.Class != vanth.Usage || !strings.Contains(e.Msg, c.want) {
			t.Errorf("%s%v: %v, want %s", c.function, c.args, err, c.want)
		}
	}
}
