namespace Dma.Hal.Spec;

/// <summary>Where things lie in a page that a front end and a back end share (Xen, io/ring.h).</summary>
/// <remarks>
/// <code>
/// 00h req_prod   requests that were made      04h req_event   the back end sleeps until this many were
/// 08h rsp_prod   responses that were given    0Ch rsp_event   the front end sleeps until this many were
/// 40h entries    a power of two of them; a response takes the place of a request
/// </code>
/// All four run on for ever, modulo 2^32; the place of number n is n modulo the number of entries. Each side keeps for
/// itself how far it has read, and believes nothing that the other one wrote twice.
/// </remarks>
public static class SharedRing
{
    /// <summary>Bytes in the page.</summary>
    public const int PageBytes = 4096;

    /// <summary>Where the number of requests stands.</summary>
    public const int RequestProducer = 0x00;

    /// <summary>Where the back end says at which request it wants to be woken.</summary>
    public const int RequestEvent = 0x04;

    /// <summary>Where the number of responses stands.</summary>
    public const int ResponseProducer = 0x08;

    /// <summary>Where the front end says at which response it wants to be woken.</summary>
    public const int ResponseEvent = 0x0C;

    /// <summary>Where the entries begin.</summary>
    public const int Entries = 0x40;

    /// <summary>How many entries there are.</summary>
    /// <param name="entryBytes">Bytes in each.</param>
    public static uint CountOf(int entryBytes) => 1u << System.Numerics.BitOperations.Log2((uint)((PageBytes - Entries) / entryBytes));

    /// <summary>Where an entry lies.</summary>
    /// <param name="number">Its number, counted without end.</param>
    /// <param name="entryBytes">Bytes in each.</param>
    public static int OffsetOf(uint number, int entryBytes) => Entries + ((int)(number & (CountOf(entryBytes) - 1)) * entryBytes);

    /// <summary>Whether the other side asked to be woken by one of those that were just added.</summary>
    /// <param name="wakeAt">Where it wants to be woken.</param>
    /// <param name="before">How many there were.</param>
    /// <param name="now">How many there are.</param>
    public static bool Wakes(uint wakeAt, uint before, uint now) => now - wakeAt < now - before;
}
