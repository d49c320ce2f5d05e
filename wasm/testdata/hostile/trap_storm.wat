;; end: trap
(module (func (export "f") (unreachable)))
