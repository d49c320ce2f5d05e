;; end: deadline
(module (func (export "f") (loop $l (br $l))))
