"""The tutorial's answers, and the counts of the official files, asked of a loaded database in SQL."""

from __future__ import annotations

import sqlalchemy as sa


def test_the_three_real_atlases_hold_the_published_counts(real_database: sa.Engine) -> None:
    with real_database.connect() as connection:
        counts = dict(
            connection.execute(
                sa.text("SELECT key, count(*) FROM ccf.voxel_run JOIN ccf.atlas USING (ccf_id) GROUP BY key")
            ).all()
        )
    assert counts == {"ccf_2017_100um": 149_885, "ccf_2017_50um": 663_219, "ccf_2017_25um": 2_793_695}


def test_a_phantom_database_answers_too(phantom_database: sa.Engine) -> None:
    with phantom_database.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM ccf.atlas")) == 2
