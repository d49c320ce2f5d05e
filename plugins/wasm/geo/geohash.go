package main

import (
	"strconv"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

// digits is the geohash alphabet: digits and letters without a, i, l and o.
const digits = "0123456789bcdefghjkmnpqrstuvwxyz"

const maxLength = 12

// span is an interval that a geohash halves bit by bit.
type span struct{ low, high float64 }

// halve keeps the half that v lies in and says whether it is the upper one. The middle belongs to
// the upper half.
func (s *span) halve(v float64) bool {
	upper := v >= s.middle()
	s.keep(upper)
	return upper
}

func (s *span) keep(upper bool) {
	if upper {
		s.low = s.middle()
	} else {
		s.high = s.middle()
	}
}

func (s *span) middle() float64 { return (s.low + s.high) / 2 }

func (s *span) radius() float64 { return (s.high - s.low) / 2 }

// encode returns the geohash of the given length (1 to 12) of the cell that holds the point. Points
// on the northern and eastern edge of the world belong to the last cell there.
func encode(lat, lon float64, length int32) (string, error) {
	if err := checkPoint(lat, lon, ""); err != nil {
		return "", err
	}
	if length < 1 || length > maxLength {
		return "", usage("length " + strconv.Itoa(int(length)) + " is not within 1 and 12")
	}
	lats, lons := span{-90, 90}, span{-180, 180}
	hash := make([]byte, length)
	even := true // the first bit is of the longitude
	for i := range hash {
		digit := 0
		for range 5 {
			digit <<= 1
			if even && lons.halve(lon) || !even && lats.halve(lat) {
				digit |= 1
			}
			even = !even
		}
		hash[i] = digits[digit]
	}
	return string(hash), nil
}

// cell is the rectangle a geohash stands for: its centre and how far its edges are from there.
type cell struct{ lat, lon, latErr, lonErr float64 }

// decode returns the cell of a geohash of 1 to 12 characters, in upper or lower case.
func decode(hash string) (cell, error) {
	if len(hash) < 1 || len(hash) > maxLength {
		return cell{}, usage("a geohash of " + strconv.Itoa(len(hash)) + " bytes is not within 1 and 12")
	}
	lats, lons := span{-90, 90}, span{-180, 180}
	even := true
	for i, r := range hash {
		digit := valueOf(r)
		if digit < 0 {
			return cell{}, usage("character " + strconv.QuoteRune(r) + " at " + strconv.Itoa(i+1) + " is not of the geohash alphabet")
		}
		for bit := 16; bit > 0; bit >>= 1 {
			axis := &lats
			if even {
				axis = &lons
			}
			axis.keep(digit&bit != 0)
			even = !even
		}
	}
	return cell{lat: lats.middle(), lon: lons.middle(), latErr: lats.radius(), lonErr: lons.radius()}, nil
}

// valueOf is the place of r in the alphabet, -1 if it has none.
func valueOf(r rune) int {
	if r >= 'A' && r <= 'Z' {
		r += 'a' - 'A'
	}
	for i, d := range digits {
		if d == r {
			return i
		}
	}
	return -1
}

// checkPoint refuses what is no point on the globe, NaN included. which tells points apart.
func checkPoint(lat, lon float64, which string) error {
	if !(lat >= -90 && lat <= 90) {
		return usage("latitude " + number(lat) + which + " is not within -90 and 90")
	}
	if !(lon >= -180 && lon <= 180) {
		return usage("longitude " + number(lon) + which + " is not within -180 and 180")
	}
	return nil
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func usage(msg string) error { return &vanth.Error{Msg: msg, Class: vanth.Usage} }
