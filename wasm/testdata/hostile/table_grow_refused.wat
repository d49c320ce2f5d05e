;; end: deadline
(module (table 0 externref)
  (func (export "f") (loop $l (drop (table.grow (ref.null extern) (i32.const -1))) (br $l))))
