using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The way between two computers: bytes go one after the other, and it can break.</summary>
/// <param name="loop">The virtual time of both.</param>
/// <param name="bytesPerSecond">How fast, 1 to 10^12.</param>
public sealed class MigrationLink(EventLoop loop, ulong bytesPerSecond)
{
    private const ulong NsPerSecond = 1_000_000_000;

    private ulong _restOfNs;

    /// <summary>The virtual time of both.</summary>
    public EventLoop Loop => loop;

    /// <summary>How many bytes arrived.</summary>
    public ulong Carried { get; private set; }

    /// <summary>Whether it is broken.</summary>
    public bool IsCut { get; private set; }

    /// <summary>Breaks it: what is under way does not arrive, and nothing does from now on.</summary>
    public void Cut() => IsCut = true;

    /// <summary>How long it takes to carry some bytes, in nanoseconds.</summary>
    public ulong TimeOf(ulong bytes) => (ulong)((UInt128)bytes * NsPerSecond / bytesPerSecond);

    /// <summary>Carries some bytes.</summary>
    /// <returns><c>false</c> where it broke before they arrived.</returns>
    public async ValueTask<bool> Send(ulong bytes)
    {
        // What is less than a nanosecond is not lost, but comes with the next.
        (UInt128 ns, UInt128 rest) = UInt128.DivRem(((UInt128)bytes * NsPerSecond) + _restOfNs, bytesPerSecond);
        _restOfNs = (ulong)rest;
        if (!IsCut)
            await loop.Delay((ulong)ns);
        if (IsCut)
            return false;
        Carried += bytes;
        return true;
    }
}
