package reserve

// Segments is what the image keeps, in order, as Lay takes it. The bytes are the image's.
func (i *Image) Segments() []Segment {
	list := make([]Segment, len(i.runs))
	for k, r := range i.runs {
		list[k] = Segment{uint32(r.at), r.b}
	}
	return list
}
