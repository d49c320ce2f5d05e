package host

// classes lists the classes that plugins can be installed under.
func classes() []Class {
	return []Class{ClassSources, ClassFunctions, ClassSinks, ClassPortables, ClassWASM}
}

// dropIn is the folder under plugins/ that holds drop-ins of this class, or ""
// when this build installs nothing under it.
func (c Class) dropIn() string {
	switch c {
	case ClassWASM, ClassSources, ClassFunctions, ClassSinks:
		return string(c)
	case ClassPortables:
		return "portable" // as eKuiper's folder is called
	}
	return ""
}

// kind is the only kind of symbol that a class holds; 0 when it holds any. The
// classes of one kind are those of native plugins: they take .so files, and
// bundles of another runtime whose symbols are of that kind.
func (c Class) kind() Kind {
	switch c {
	case ClassSources:
		return KindSource
	case ClassFunctions:
		return KindFunction
	case ClassSinks:
		return KindSink
	}
	return 0
}
