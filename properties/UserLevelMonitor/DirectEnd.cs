namespace Dma.Properties;

/// <summary>What ends transfers that go straight to pages of a guest.</summary>
internal enum DirectEnd
{
    /// <summary>The guest resets the function of its controller.</summary>
    FunctionReset,

    /// <summary>It resets its controller, which runs.</summary>
    ControllerReset,

    /// <summary>Its controller meets memory that is none, halts, and is reset.</summary>
    SystemError,

    /// <summary>The device is taken from it.</summary>
    Detach,

    /// <summary>The VMM takes a page of it.</summary>
    PageMove,

    /// <summary>The process that models its controller dies.</summary>
    MonitorKill,

    /// <summary>It ends.</summary>
    GuestCrash,

    /// <summary>The service VM ends that models its controller, where there is one.</summary>
    ServiceCrash,
}
