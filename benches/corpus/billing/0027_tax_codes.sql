CREATE TABLE billing.tax_code (code char(2) PRIMARY KEY, rate numeric(5,4) NOT NULL, valid daterange NOT NULL DEFAULT '[2007-01-01,)');
INSERT INTO billing.tax_code VALUES ('S1', 0.19), ('S2', 0.07), ('S0', 0);
