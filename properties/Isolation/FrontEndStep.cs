namespace Dma.Properties;

/// <summary>What a hostile front end does next.</summary>
/// <param name="Kind">Which thing.</param>
/// <param name="A">A number for it.</param>
/// <param name="B">Another one.</param>
internal readonly record struct FrontEndStep(FrontEndAct Kind, uint A, uint B);

/// <summary>The things that it can do.</summary>
internal enum FrontEndAct
{
    /// <summary>A request that makes sense but for what chance changes.</summary>
    Request,

    /// <summary>A request of nothing but chance.</summary>
    Noise,

    /// <summary>The wish that a request ends.</summary>
    Unlink,

    /// <summary>More requests than there are places.</summary>
    Flood,

    /// <summary>Requests that were never made.</summary>
    Jump,

    /// <summary>A grant is made, taken back or changed, used or not.</summary>
    Grant,

    /// <summary>Another grant table, while the rings are in use.</summary>
    Table,

    /// <summary>Bytes of a ring are changed, whoever's turn it is.</summary>
    Rewrite,

    /// <summary>The back end is woken.</summary>
    Notify,

    /// <summary>The connection ends, and begins anew.</summary>
    Reconnect,

    /// <summary>The host stops the back end while requests wait, and starts another one.</summary>
    Restart,

    /// <summary>The host takes the device away, and gives it back.</summary>
    Replug,

    /// <summary>Time passes.</summary>
    Wait,
}
