using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dma.Machine;

/// <summary>What Linux says of the pages of this process: which of them were ever touched.</summary>
/// <remarks>Asking does not touch them. Other systems have no such question; there any page may hold something.</remarks>
internal static class PageMap
{
    private const string Path = "/proc/self/pagemap";
    private const ulong PageBytes = 4096;
    private const int PagesAtOnce = 32 * 1024;

    // Bit 63: in memory. Bit 62: swapped out. Bit 56: mapped by nobody else, which the shared page of zeros never is.
    private const ulong TouchedBits = (1ul << 63) | (1ul << 62);
    private const ulong OwnBits = (1ul << 63) | (1ul << 56);

    /// <summary>Whether the question can be asked here.</summary>
    public static bool IsAvailable { get; } = OperatingSystem.IsLinux() && Environment.SystemPageSize == (int)PageBytes && File.Exists(Path);

    /// <summary>The runs of touched pages in a range of addresses, as offsets from its start and lengths in bytes.</summary>
    /// <param name="start">The first address, of a page.</param>
    /// <param name="length">Bytes, whole pages.</param>
    public static IEnumerable<(ulong Offset, ulong Length)> Touched(ulong start, ulong length)
    {
        using SafeFileHandle map = File.OpenHandle(Path);
        ulong[] entries = new ulong[PagesAtOnce];
        List<(ulong Offset, ulong Length)> runs = [];
        (ulong Offset, ulong Length) open = default;
        for (ulong done = 0; done < length; done += PagesAtOnce * PageBytes)
        {
            FindRuns(Read(map, start + done, length - done, entries), done, runs);
            foreach ((ulong Offset, ulong Length) run in runs)
            {
                if (open.Offset + open.Length == run.Offset)
                {
                    open.Length += run.Length;
                    continue;
                }

                if (open.Length != 0)
                    yield return open;
                open = run;
            }
        }

        if (open.Length != 0)
            yield return open;
    }

    /// <summary>How many bytes of a range are in memory for its own sake.</summary>
    public static ulong ResidentBytes(ulong start, ulong length)
    {
        using SafeFileHandle map = File.OpenHandle(Path);
        ulong[] entries = new ulong[PagesAtOnce];
        ulong pages = 0;
        for (ulong done = 0; done < length; done += PagesAtOnce * PageBytes)
        {
            foreach (ulong entry in Read(map, start + done, length - done, entries))
                pages += (entry & OwnBits) == OwnBits ? 1ul : 0;
        }

        return pages * PageBytes;
    }

    // The entries of as many pages as fit; one entry for each page, eight bytes.
    private static ReadOnlySpan<ulong> Read(SafeFileHandle map, ulong address, ulong length, ulong[] entries)
    {
        Span<ulong> wanted = entries.AsSpan(0, (int)Math.Min(PagesAtOnce, length / PageBytes));
        Span<byte> bytes = MemoryMarshal.AsBytes(wanted);
        for (int done = 0; done < bytes.Length;)
        {
            int count = RandomAccess.Read(map, bytes[done..], (long)(address / PageBytes * sizeof(ulong)) + done);
            if (count == 0)
                throw new IOException($"{Path} ends before the address space of the process does.");
            done += count;
        }

        return wanted;
    }

    private static void FindRuns(ReadOnlySpan<ulong> entries, ulong offset, List<(ulong Offset, ulong Length)> runs)
    {
        runs.Clear();
        for (int page = 0; page < entries.Length; page++)
        {
            int first = page;
            while (page < entries.Length && (entries[page] & TouchedBits) != 0)
                page++;
            if (page != first)
                runs.Add((offset + ((ulong)first * PageBytes), (ulong)(page - first) * PageBytes));
        }
    }
}
