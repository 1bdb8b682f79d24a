namespace Dma.Devices;

/// <summary>What the result register of an <see cref="IommuTestDevice"/> says.</summary>
public enum IommuTestResult : uint
{
    /// <summary>The pattern was written, and found where it was expected.</summary>
    Success = 0,

    /// <summary>No length was given.</summary>
    BadLength = 0xDEAD_0001,

    /// <summary>The bus refused the write.</summary>
    WriteFailed = 0xDEAD_0002,

    /// <summary>Nothing is where the pattern was expected.</summary>
    ReadFailed = 0xDEAD_0003,

    /// <summary>Something else is where the pattern was expected.</summary>
    Mismatch = 0xDEAD_0004,

    /// <summary>The trigger was read without arming.</summary>
    NotArmed = 0xDEAD_0005,

    /// <summary>The attributes contradict each other.</summary>
    BadAttributes = 0xDEAD_0006,

    /// <summary>Armed: the next read of the trigger runs it.</summary>
    Armed = 0xFFFF_FFFE,

    /// <summary>Nothing was asked for.</summary>
    Idle = 0xFFFF_FFFF,
}
