module hazards

go 1.21
