;; end: trap
(module (table 0 funcref)
  (func (export "f")
    (loop $l (br_if $l (i32.ne (i32.const -1) (table.grow (ref.null func) (i32.const 1000)))))
    unreachable))
