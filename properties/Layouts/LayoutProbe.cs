using System.Reflection;

namespace Dma.Properties;

/// <summary>Flips each bit of a format and looks at which properties change.</summary>
/// <remarks>
/// The table it is compared with is written by hand from the reference, so that a format and its test cannot share
/// a mistake. Each flip is done on a value of zeros, of ones, and of both kinds mixed.
/// </remarks>
internal static class LayoutProbe
{
    private const string Nobody = "-";

    /// <summary>Checks a format of any width.</summary>
    /// <param name="words">How many quadwords it has.</param>
    /// <param name="read">Makes the entry from its quadwords.</param>
    /// <param name="table">Field names and their bits as the manual writes them, <c>63:12</c> or <c>0</c>, with a comma between ranges; bits in no row are reserved or ignored.</param>
    public static void Check<T>(int words, Func<ulong[], T> read, params (string Property, string Bits)[] table)
        where T : struct
    {
        PropertyInfo[] properties = [.. typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.Name != "Raw")];
        Assert.Equal(table.Select(row => row.Property).Order(), properties.Select(property => property.Name).Order());

        string[] expected = [.. Enumerable.Range(0, 64 * words).Select(bit => Owners(table, bit))];
        foreach (ulong background in (ulong[])[0, ulong.MaxValue, 0x5A5A_C3C3_9696_0FF0])
        {
            ulong[] raw = [.. Enumerable.Repeat(background, words)];
            object before = read(raw);
            for (int bit = 0; bit < expected.Length; bit++)
            {
                raw[bit >> 6] ^= 1ul << (bit & 63);
                object after = read(raw);
                raw[bit >> 6] ^= 1ul << (bit & 63);
                string changed = Join(properties.Where(property => !Equals(property.GetValue(before), property.GetValue(after))).Select(property => property.Name));
                Assert.True(expected[bit] == changed, $"{typeof(T).Name} bit {bit}: the reference says {expected[bit]}, the type says {changed}.");
            }
        }
    }

    /// <summary>Checks that what is written into each property is read from it, and that nothing else changes.</summary>
    /// <param name="words">How many quadwords it has.</param>
    /// <param name="read">Makes the entry from its quadwords.</param>
    public static void CheckWrites<T>(int words, Func<ulong[], T> read)
        where T : struct
    {
        object donor = read([.. Enumerable.Repeat(0xA5A5_3C3C_6969_F00Ful, words)]);
        foreach (ulong background in (ulong[])[0, ulong.MaxValue])
        {
            foreach (PropertyInfo property in typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite && property.Name != "Raw"))
            {
                object entry = read([.. Enumerable.Repeat(background, words)]);
                object? own = property.GetValue(entry);
                object? value = property.GetValue(donor);
                property.SetValue(entry, value);
                Assert.Equal(value, property.GetValue(entry));
                property.SetValue(entry, own);
                Assert.Equal(read([.. Enumerable.Repeat(background, words)]), entry);
            }
        }
    }

    private static string Owners((string Property, string Bits)[] table, int bit) =>
        Join(table.Where(row => row.Bits.Split(", ").Any(range => Covers(range, bit))).Select(row => row.Property));

    private static bool Covers(string range, int bit)
    {
        string[] ends = range.Split(':');
        int high = int.Parse(ends[0], System.Globalization.CultureInfo.InvariantCulture);
        int low = int.Parse(ends[^1], System.Globalization.CultureInfo.InvariantCulture);
        return low <= bit && bit <= high;
    }

    private static string Join(IEnumerable<string> names) => string.Join(", ", names.Order().DefaultIfEmpty(Nobody));
}
