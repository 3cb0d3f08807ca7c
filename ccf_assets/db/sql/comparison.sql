-- Where two atlases (versions or resolutions) differ. The whole file is run on every upgrade; all of it is idempotent.

-- The overlap is in µm³, not a count of voxel centres: a centre of one grid can be a corner of another, so that counts
-- would depend on how ties are broken, and on the order of the two atlases.
CREATE OR REPLACE FUNCTION ccf.region_overlap(ccf_id_a integer, ccf_id_b integer)
RETURNS TABLE (region_a integer, region_b integer, um3 bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
-- Planned for these two partitions, whose sizes differ a hundredfold; compiling costs more than it gains.
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
  -- A missing atlas must not look like one that agrees, or differs, everywhere.
  a ccf.atlas := ccf.loaded_atlas(ccf_id_a);
  b ccf.atlas := ccf.loaded_atlas(ccf_id_b);
  a_is_fine boolean := a.ccf_resolution <= b.ccf_resolution;
  fine integer := CASE WHEN a_is_fine THEN a.ccf_id ELSE b.ccf_id END;
  fine_um integer := least(a.ccf_resolution, b.ccf_resolution);
  coarse integer := CASE WHEN a_is_fine THEN b.ccf_id ELSE a.ccf_id END;
  coarse_um integer := greatest(a.ccf_resolution, b.ccf_resolution);
BEGIN
  RETURN QUERY
  WITH overlap AS MATERIALIZED (
    -- A line of the finer grid lies in one line of the coarser, or crosses into the next where the one edge does not
    -- divide the other. The runs of those lines are found by the primary key.
    SELECT f.region_id AS of_fine,
           c.region_id AS of_coarse,
           sum((least(f.z_end, c.z_end) - greatest(f.z, c.z))::bigint
               * (least(f.x + fine_um, c.x + coarse_um) - greatest(f.x, c.x))
               * (least(f.y + fine_um, c.y + coarse_um) - greatest(f.y, c.y)))::bigint AS volume
    FROM ccf.voxel_run AS f
    JOIN ccf.voxel_run AS c
      ON c.x = ANY (ARRAY[f.x / coarse_um * coarse_um, (f.x + fine_um - 1) / coarse_um * coarse_um])
     AND c.y = ANY (ARRAY[f.y / coarse_um * coarse_um, (f.y + fine_um - 1) / coarse_um * coarse_um])
     AND c.z < f.z_end
     AND c.z_end > f.z
    WHERE f.ccf_id = fine AND c.ccf_id = coarse
    GROUP BY f.region_id, c.region_id
  ), everything AS (
    SELECT o.of_fine, o.of_coarse, o.volume FROM overlap AS o
    UNION ALL
    -- The rest of a region is where the other atlas has no brain.
    SELECT r.region_id, NULL,
           (sum(r.z_end - r.z) * fine_um * fine_um)::bigint
             - coalesce((SELECT sum(o.volume) FROM overlap AS o WHERE o.of_fine = r.region_id), 0)::bigint
    FROM ccf.voxel_run AS r WHERE r.ccf_id = fine GROUP BY r.region_id
    UNION ALL
    SELECT NULL, r.region_id,
           (sum(r.z_end - r.z) * coarse_um * coarse_um)::bigint
             - coalesce((SELECT sum(o.volume) FROM overlap AS o WHERE o.of_coarse = r.region_id), 0)::bigint
    FROM ccf.voxel_run AS r WHERE r.ccf_id = coarse GROUP BY r.region_id
  )
  SELECT CASE WHEN a_is_fine THEN e.of_fine ELSE e.of_coarse END,
         CASE WHEN a_is_fine THEN e.of_coarse ELSE e.of_fine END,
         e.volume
  FROM everything AS e
  WHERE e.volume > 0;
END
$$;

COMMENT ON FUNCTION ccf.region_overlap(integer, integer) IS
  'Volume (µm³) of the overlap of each region of one atlas with each of another; NULL stands for outside the brain. Exact, whatever the two resolutions';

CREATE OR REPLACE FUNCTION ccf.region_diff(ccf_id_a integer, ccf_id_b integer)
RETURNS TABLE (
  acronym_a text, acronym_b text, region_a integer, region_b integer,
  voxels double precision, mm3 double precision, share double precision
)
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $$
  WITH overlap AS MATERIALIZED (
    SELECT o.*, sum(o.um3) OVER () AS all_um3 FROM ccf.region_overlap(ccf_id_a, ccf_id_b) AS o
  ), finer AS (
    SELECT min(a.ccf_resolution)::double precision AS um FROM ccf.atlas AS a WHERE a.ccf_id IN (ccf_id_a, ccf_id_b)
  )
  SELECT a.acronym, b.acronym, o.region_a, o.region_b,
         o.um3 / finer.um ^ 3, o.um3 / 1e9::double precision, (o.um3 / o.all_um3)::double precision
  FROM overlap AS o
  CROSS JOIN finer
  LEFT JOIN ccf.brain_region AS a ON a.ccf_id = ccf_id_a AND a.region_id = o.region_a
  LEFT JOIN ccf.brain_region AS b ON b.ccf_id = ccf_id_b AND b.region_id = o.region_b
  WHERE o.region_a IS DISTINCT FROM o.region_b
  ORDER BY o.um3 DESC, o.region_a, o.region_b
$$;

COMMENT ON FUNCTION ccf.region_diff(integer, integer) IS
  'Pairs of regions that two atlases assign to the same place, the largest first: voxels of the finer atlas (whole where its edge divides the other''s), mm³, and share of the volume that is brain in either; NULL stands for outside the brain. Reads all runs of both atlases: comparing 25 µm with 50 µm takes some ten seconds';

CREATE OR REPLACE VIEW ccf.site_diff AS
SELECT a.key AS atlas_a,
       b.key AS atlas_b,
       in_a.recording_id,
       in_a.site_id,
       region_a.acronym AS acronym_a,
       region_b.acronym AS acronym_b,
       in_a.region_id AS region_a,
       in_b.region_id AS region_b,
       in_a.status AS status_a,
       in_b.status AS status_b,
       in_a.ccf_id AS ccf_id_a,
       in_b.ccf_id AS ccf_id_b
FROM ccf.recording_region AS in_a
JOIN ccf.recording_region AS in_b USING (recording_id, site_id)
JOIN ccf.atlas AS a ON a.ccf_id = in_a.ccf_id
JOIN ccf.atlas AS b ON b.ccf_id = in_b.ccf_id
LEFT JOIN ccf.brain_region AS region_a ON (region_a.ccf_id, region_a.region_id) = (in_a.ccf_id, in_a.region_id)
LEFT JOIN ccf.brain_region AS region_b ON (region_b.ccf_id, region_b.region_id) = (in_b.ccf_id, in_b.region_id)
WHERE in_a.region_id IS DISTINCT FROM in_b.region_id;

COMMENT ON VIEW ccf.site_diff IS
  'Sites whose region differs between two atlases. WHERE atlas_a = … AND atlas_b = … gives one row per such site. Each pair of atlases is listed in both orders; a region is NULL outside the brain';

COMMENT ON COLUMN ccf.site_diff.atlas_a IS 'Key of the one atlas (atlas.key)';
COMMENT ON COLUMN ccf.site_diff.atlas_b IS 'Key of the other';
COMMENT ON COLUMN ccf.site_diff.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.site_diff.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.site_diff.acronym_a IS 'Acronym of its region in atlas a; null where there is none';
COMMENT ON COLUMN ccf.site_diff.acronym_b IS 'Acronym of its region in atlas b; null where there is none';
COMMENT ON COLUMN ccf.site_diff.region_a IS 'Its region in atlas a; null where there is none';
COMMENT ON COLUMN ccf.site_diff.region_b IS 'Its region in atlas b; null where there is none';
COMMENT ON COLUMN ccf.site_diff.status_a IS 'Its status in atlas a (recording_region)';
COMMENT ON COLUMN ccf.site_diff.status_b IS 'Its status in atlas b (recording_region)';
COMMENT ON COLUMN ccf.site_diff.ccf_id_a IS 'Number of atlas a';
COMMENT ON COLUMN ccf.site_diff.ccf_id_b IS 'Number of atlas b';
