"""What the pages of the guide are made with: experiments, records, report."""
