namespace Dma.Machine;

/// <summary>Which interrupt of a processor goes next: requests, those in service, and what masks them (Intel SDM volume 3, 11.8).</summary>
/// <remarks>
/// <code>
///     IRR  . . 8 . . 5 3 . .     the highest one, 8, is dispatched where its class (bits 7:4)
///     ISR  . . . . . . . 2 .     is above that of PPR:
///     TPR  1                         PPR = the higher one of TPR and the highest ISR
/// </code>
/// A vector in service holds back its own class and all below, until its end; a higher one nests.
/// </remarks>
public sealed class InterruptPriorities
{
    private const int ClassMask = 0xF0;

    /// <summary>IRR: vectors that wait.</summary>
    public VectorSet Requests { get; } = new();

    /// <summary>ISR: vectors that were taken and have not ended.</summary>
    public VectorSet InService { get; } = new();

    /// <summary>TMR: vectors whose last request was level-triggered.</summary>
    public VectorSet Levels { get; } = new();

    /// <summary>TPR: software masks its class and all below.</summary>
    public byte TaskPriority { get; set; }

    /// <summary>PPR: its class and all below wait.</summary>
    public byte ProcessorPriority
    {
        get
        {
            int served = Math.Max(InService.Highest, 0);
            return (byte)((TaskPriority & ClassMask) >= (served & ClassMask) ? TaskPriority : served & ClassMask);
        }
    }

    /// <summary>Whether a request may be taken now.</summary>
    public bool IsDue => (Requests.Highest & ClassMask) > (ProcessorPriority & ClassMask) && Requests.Highest >= 0;

    /// <summary>A vector arrives; one that waits already is the same one.</summary>
    public void Request(byte vector, bool isLevel)
    {
        Requests.Set(vector, true);
        Levels.Set(vector, isLevel);
    }

    /// <summary>Takes the highest request, which is in service from here on.</summary>
    /// <returns><c>false</c> where none is due.</returns>
    public bool TryTake(out byte vector)
    {
        vector = 0;
        if (!IsDue)
            return false;
        vector = (byte)Requests.Highest;
        Requests.Set(vector, false);
        InService.Set(vector, true);
        return true;
    }

    /// <summary>Ends the highest one in service.</summary>
    /// <returns>Which one it was; -1 where none was.</returns>
    public int End()
    {
        int ended = InService.Highest;
        if (ended >= 0)
            InService.Set((byte)ended, false);
        return ended;
    }

    /// <summary>Nothing waits, nothing is in service, nothing is masked.</summary>
    public void Clear()
    {
        Requests.Clear();
        InService.Clear();
        Levels.Clear();
        TaskPriority = 0;
    }
}
