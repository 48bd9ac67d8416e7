"""Labels in the formats that labelling tools read and write."""
