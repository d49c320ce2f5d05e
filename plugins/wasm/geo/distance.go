package main

import "math"

// radius is the mean radius of the Earth in metres (IUGG's R1).
const radius = 6371008.8

// distance is the length in metres of the shortest way between two points over a sphere, by the
// haversine formula: within 0.6 % of the ellipsoid.
func distance(lat1, lon1, lat2, lon2 float64) (float64, error) {
	if err := checkPoint(lat1, lon1, " of point 1"); err != nil {
		return 0, err
	}
	if err := checkPoint(lat2, lon2, " of point 2"); err != nil {
		return 0, err
	}
	const rad = math.Pi / 180
	h := haversine((lat2-lat1)*rad) + math.Cos(lat1*rad)*math.Cos(lat2*rad)*haversine((lon2-lon1)*rad)
	return 2 * radius * math.Asin(math.Sqrt(min(h, 1))), nil // rounding may exceed 1 at antipodes
}

func haversine(angle float64) float64 {
	s := math.Sin(angle / 2)
	return s * s
}
